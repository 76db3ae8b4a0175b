"""The wall: what a process can still do behind it. Attacks are harmless, and tried in small separate processes."""

import platform
import select
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from llm.trace import wall

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the wall is one of Linux")

START = f"""
import sys; sys.path.insert(0, {str(Path(wall.__file__).parent)!r})
import ctypes, errno, os, resource, signal, socket, subprocess, threading, time
import wall
libc = ctypes.CDLL(None, use_errno=True)

def denied(attempt):
    try:
        result = attempt()
    except (OSError, RuntimeError):
        return True
    return result == -1 and ctypes.get_errno() == errno.EPERM  # of the C library
"""


def behind_the_wall(code: str, before: str = "", **options) -> subprocess.CompletedProcess:
    """The end of a process that runs this code behind the wall, and how it ended."""
    code = f"{START}\n{textwrap.dedent(before)}\nwall.enclose(1)\n{textwrap.dedent(code)}"
    return subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=60, **options)


def test_the_wall_works_on_this_machine():
    assert wall.wall_stands()


ATTEMPTS = {
    "read": "open(folder + '/secret')",
    "read /etc/passwd": "open('/etc/passwd')",
    "environment of the parent": "open(f'/proc/{os.getppid()}/environ')",
    "own memory": "open('/proc/self/mem', 'r+b')",
    "list": "os.listdir('/')",
    "stat": "os.stat('/')",
    "working folder": "os.getcwd()",
    "write": "open(folder + '/written', 'w')",
    "unlink": "os.unlink(folder + '/secret')",
    "rename": "os.rename(folder + '/secret', folder + '/renamed')",
    "link": "os.symlink('/', folder + '/link')",
    "FIFO": "os.mkfifo(folder + '/fifo')",
    "tcp": "socket.socket().connect(('127.0.0.1', port))",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "unix": "socket.socket(socket.AF_UNIX)",
    "socket pair": "socket.socketpair()",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "fork": "os.fork() or os._exit(0)",
    "program": "subprocess.run(['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "exec": "os.execv('/bin/true', ['true'])",
    "thread": "threading.Thread(target=int).start()",
    "signal to the parent": "os.kill(os.getppid(), 0)",
    "signal to the group": "os.killpg(0, 0)",
    "pipe": "os.pipe()",
    "duplicate": "os.dup(1)",
    "read from a descriptor": "os.read(0, 1)",
    "shared memory": "os.memfd_create('x')",
    "ignore a signal": "signal.signal(signal.SIGXCPU, signal.SIG_IGN)",
    "priority": "os.nice(0)",
    "more memory": "resource.prlimit(0, resource.RLIMIT_AS, (-1, -1))",
    "C: open": "libc.open(b'/etc/passwd', 0)",
    "C: socket": "libc.socket(2, 1, 0)",
    "C: fork": "libc.fork()",
    "C: ptrace": "libc.ptrace(0, 0, 0, 0)",
    "C: memory of the parent": "libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)",
    "C: outlive the parent": "libc.prctl(1, 0, 0, 0, 0)",
    "C: namespaces": "libc.unshare(0x10000000)",
    "C: io_uring": "libc.syscall(425, 1, 0)",
    "C: call of the x32 kind": "libc.syscall(0x40000002, b'/etc/passwd', 0)",
    "C: privileged advice on memory": "libc.madvise(0, 0, 102)",  # a number that no kernel knows, so harmless
    "C: unknown call": "libc.syscall(9999)",
}


def test_everything_but_computing_is_denied(tmp_path):
    (tmp_path / "secret").write_text("secret")
    code = f"""
    passed = [name for name, attempt in {ATTEMPTS!r}.items() if not denied(lambda: eval(attempt))]
    os.write(1, repr(passed).encode())
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        before = f"folder, port = {str(tmp_path)!r}, {server.getsockname()[1]}"
        ended = behind_the_wall(code, before=before)
    assert (ended.returncode, ended.stdout) == (0, b"[]"), ended
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_computing_and_printing_are_allowed():
    ended = behind_the_wall("""
    blocks = [bytearray(2**20) for _ in range(20)]
    time.sleep(0.001), time.time(), time.perf_counter(), time.process_time(), os.getpid(), os.urandom(8)
    print("done")
    """)  # fmt: skip
    assert (ended.returncode, ended.stdout) == (0, b"done\n"), ended


def test_a_thread_that_was_there_before_is_behind_it_too():
    before = """
    raised, results = threading.Event(), []
    def wait():
        raised.wait()
        results.append(denied(lambda: open("/etc/passwd")))
    thread = threading.Thread(target=wait); thread.start()
    """
    ended = behind_the_wall("raised.set(); thread.join(); print(results)", before=before)
    assert (ended.returncode, ended.stdout) == (0, b"[True]\n"), ended


def test_no_other_descriptor_stays_open(tmp_path):
    """Neither an inherited one nor one that the process itself opened: writing nothing to it fails."""
    with (tmp_path / "inherited").open("w") as inherited:
        ended = behind_the_wall(
            "print([fd for fd in range(256) if not denied_or_closed(fd)])",
            before="""
            held = open("/etc/passwd"), socket.socket(), os.pipe()
            def denied_or_closed(fd):
                try:
                    return os.write(fd, b"") != 0
                except OSError as error:
                    return error.errno == errno.EBADF
            """,
            stdin=subprocess.DEVNULL,
            pass_fds=[inherited.fileno()],
        )
    assert ended.stdout == b"[0, 1, 2]\n", ended


def test_memory_is_limited():
    ended = behind_the_wall("""
    try:
        blocks = [bytearray(2**24) for _ in range(100)]
    except MemoryError:
        print("limited")
    """, before="wall.EXTRA_MEMORY = 2**26")  # fmt: skip
    assert ended.stdout == b"limited\n", ended


def test_cpu_time_is_limited():
    assert behind_the_wall("while True: pass", before="wall.CPU_SECONDS = 1").returncode == -signal.SIGXCPU


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code for x86-64")
def test_a_call_of_the_32_bit_kind_kills_the_process():
    """`int 0x80` asks for the call number 5 of 32-bit programs, which opens a file."""
    ended = behind_the_wall(
        "call(); print('passed')",
        before="""
        import mmap
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(bytes.fromhex("b805000000 31db 31c9 cd80 c3"))  # eax = 5; ebx = ecx = 0; int 0x80; return
        call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        """,
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGSYS, b""), ended


def test_the_process_ends_with_its_parent():
    """However the parent ends: here it is killed."""
    child = f"{START}\nwall.end_with_parent(); wall.enclose(1)\nprint('raised', flush=True)\ntime.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-I", "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"raised\n"
        process.kill()
        ended, _, _ = select.select([process.stdout], [], [], 30)  # the end of the child closes the pipe
        assert ended and process.stdout.read() == b""


HOLES = {
    "open": (257, 56), "unlink": (87, 35), "socket": (41, 198), "clone": (56, 220), "kill": (62, 129),
}  # fmt: skip


@pytest.mark.parametrize("hole", HOLES)
def test_the_self_test_finds_a_hole(tmp_path, hole):
    """In a copy of the wall that allows one call too many, such as opening a file."""
    source = Path(wall.__file__).read_text()
    copy = tmp_path / "wall.py"
    copy.write_text(source.replace("ALLOWED = {", f"ALLOWED = {{{hole!r}: {HOLES[hole]},", 1))
    assert subprocess.run([sys.executable, "-I", copy], capture_output=True, cwd=tmp_path).returncode == 1


def test_the_self_test_passes_in_an_unchanged_copy(tmp_path):
    copy = shutil.copy(wall.__file__, tmp_path)
    assert subprocess.run([sys.executable, "-I", copy], capture_output=True, cwd=tmp_path).returncode == 0
