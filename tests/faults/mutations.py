"""Ways to change a file's bytes: those of any file, and those that keep a format's outer structure right."""

import io
import json
import random
import re
import zipfile
from typing import Any

from odd_folders import MISTYPED

GROWN = (2**31, 2**32 - 1, 2**62, 10**12, 10**19, -1)
OTHERS = (*MISTYPED, *GROWN, 0, 1.5)  # in place of a value in JSON


def mutated(name: str, content: bytes, chance: random.Random) -> bytes:
    """The content of a file of this name, changed in one of the ways that suit its format."""
    ways = [_any_way]
    if name.endswith((".json", ".jsonl")):
        ways.append(_in_json)
    if name.endswith(".safetensors"):
        ways.append(_in_header)
    if name.endswith(".pt"):
        ways += [_in_entry, _in_directory]
    return chance.choice(ways)(content, chance)


def _any_way(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    start = chance.randrange(len(content) + 1)
    length = min(chance.choice((1, 1, 2, 4, 8, 40, 1000)), len(content) - start)
    end = start + length
    match chance.randrange(9):
        case 0 if start < len(content):
            changed[start] ^= 1 << chance.randrange(8)
        case 1:
            changed[start:end] = chance.randbytes(length)
        case 2:
            del changed[start:]
        case 3:
            del changed[start:end]
        case 4:
            changed[start:start] = changed[start:end]
        case 5:
            other = chance.randrange(len(content) - length + 1)
            changed[start:end], changed[other : other + length] = changed[other : other + length], changed[start:end]
        case 6:
            changed[start:end] = chance.choice((b"\0", b"\xff")) * length
        case 7:
            changed[start:start] = chance.choice(
                (b"9" * 30, b"-", b"e", b"[" * 5000, b"}", b"null", b"\xff\xfe", b"\n")
            )
        case _:
            return _with_grown_number(content, chance)
    return bytes(changed)


def _with_grown_number(content: bytes, chance: random.Random) -> bytes:
    """A number is larger: one that is written in digits, or one of four or eight bytes."""
    number = chance.choice(GROWN)
    if chance.random() < 0.5 and (digits := list(re.finditer(rb"\d+", content))):
        match = chance.choice(digits)
        return content[: match.start()] + str(number).encode() + content[match.end() :]
    size = chance.choice((2, 4, 8))
    start = chance.randrange(len(content) + 1)
    return content[:start] + (number % 2 ** (8 * size)).to_bytes(size, "little") + content[start + size :]


def _in_json(content: bytes, chance: random.Random) -> bytes:
    """One of the values in a JSON object, at any depth, is another, is left out, or has another name."""
    lines = content.split(b"\n") if content.count(b"\n{") else [content]  # .jsonl: one of its lines
    number = chance.randrange(len(lines))
    try:
        value = json.loads(lines[number])
    except ValueError:
        return content
    lines[number] = json.dumps(_changed_value(value, chance)).encode()
    return b"\n".join(lines)


def _changed_value(value: Any, chance: random.Random) -> Any:
    """The value with one of its parts changed."""
    if isinstance(value, dict) and value and chance.random() < 0.95:
        name = chance.choice(list(value))
        rest = {key: value[key] for key in value if key != name}
        how = chance.random()
        if how < 0.1:
            return rest
        return rest | {"other": value[name]} if how < 0.15 else value | {name: _changed_value(value[name], chance)}
    if isinstance(value, list | tuple) and value and chance.random() < 0.95:
        index = chance.randrange(len(value))
        part = [value[index]] * 2 if chance.random() < 0.1 else [_changed_value(value[index], chance)]
        return [*value[:index], *part, *value[index + 1 :]]
    return chance.choice(OTHERS)


def mutated_json(content: bytes, chance: random.Random) -> bytes:
    """JSON, with one to three of its values changed; or with a name that is there twice, or deep nesting."""
    how = chance.random()
    if how < 0.05:
        return content.replace(
            b"{", b'{"' + _a_name(content, chance) + b'": ' + json.dumps(chance.choice(OTHERS)).encode() + b", ", 1
        )
    if how < 0.1:
        deep = b"[" * 100_000 + b"]" * 100_000
        return re.sub(rb'("%s": )' % re.escape(_a_name(content, chance)), rb'\1%s, "rest": ' % deep, content, count=1)
    for _ in range(chance.randint(1, 3)):
        content = _in_json(content, chance)
    return content


def _a_name(content: bytes, chance: random.Random) -> bytes:
    return chance.choice(re.findall(rb'"(\w+)": ', content))


def _in_header(content: bytes, chance: random.Random) -> bytes:
    """The header of a safetensors file, with the length that stands before it set right."""
    length = int.from_bytes(content[:8], "little")
    change = chance.choice((_in_json, _any_way))
    header = change(content[8 : 8 + length], chance)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _in_entry(content: bytes, chance: random.Random) -> bytes:
    """One entry of a zip archive is changed, renamed, missing or there twice; checksums and sizes are right again."""
    entries = entries_of(content)
    index = 0 if chance.random() < 0.7 else chance.randrange(len(entries))  # the first holds the structure
    name, inner = entries[index]
    match chance.randrange(8):
        case 0:
            del entries[index]
        case 1:
            entries[index] = (f"{name}x", inner)
        case 2:
            entries.append((name, chance.randbytes(8)))
        case _:
            entries[index] = (name, _any_way(inner, chance))
    return archive(entries, chance.choice((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,)))


def _in_directory(content: bytes, chance: random.Random) -> bytes:
    """The directory at the end of a zip archive, which says where the entries are and how long."""
    start = content.find(b"PK\x01\x02")
    return content[:start] + _any_way(content[start:], chance)


def entries_of(content: bytes) -> list[tuple[str, bytes]]:
    """Names and contents of a zip archive's entries."""
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        return [(entry.filename, found.read(entry)) for entry in found.infolist()]


def archive(entries: list[tuple[str, bytes]], compression: int) -> bytes:
    """A zip archive of these entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, inner in entries:
            made.writestr(name, inner)
    return buffer.getvalue()
