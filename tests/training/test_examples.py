"""The files that start a training on a cluster are valid, and the commands in them exist."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from llm.cli.commands import ABOUT, COMMANDS
from llm.cli.flags import parse

EXAMPLES = Path(__file__).parents[2] / "examples"
SLURM, KUBERNETES = EXAMPLES / "train.slurm", EXAMPLES / "kubernetes.yaml"


@pytest.mark.parametrize("file", [SLURM, KUBERNETES], ids=lambda file: file.name)
def test_the_command_is_one_that_torchrun_and_llm_understand(file):
    from torch.distributed.run import get_args_parser

    text = file.read_text().replace("\\\n", " ")
    [words] = re.findall(r"uv run torchrun((?:\s.*)+?)(?:\n\s*env:|\Z)", text)
    launched = get_args_parser().parse_args(shlex.split(words))
    module, *command = [launched.training_script, *launched.training_script_args]
    assert (launched.module, module) == (True, "llm.cli")
    assert (launched.nproc_per_node, launched.max_restarts, launched.rdzv_backend) == ("8", 3, "c10d")
    flags = parse(COMMANDS, ABOUT, command).args[0]
    assert flags["batch_size"] % 16 == 0  # two machines of eight GPUs


def test_the_slurm_script_is_valid_shell():
    assert subprocess.run([shutil.which("bash"), "-n", SLURM], check=False).returncode == 0
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", SLURM.read_text(), re.MULTILINE))
    assert options["ntasks-per-node"] == "1"
    assert {"nodes", "gpus-per-node", "requeue", "signal"} <= options.keys()


def test_the_kubernetes_job_is_one_index_a_machine_with_an_address():
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all(KUBERNETES.read_text())
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (service["kind"], service["spec"]["clusterIP"], job["kind"]) == ("Service", "None", "Job")
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 2, 2)
    [container] = pod["containers"]
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    address = f"{job['metadata']['name']}-0.{pod['subdomain']}:29400"
    assert f"--rdzv-endpoint {address}" in container["command"][2]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert (
        str(container["resources"]["limits"]["nvidia.com/gpu"]) in container["command"][2].split("--nproc-per-node")[1]
    )
