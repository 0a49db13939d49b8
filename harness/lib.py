# SPDX-License-Identifier: GPL-2.0
"""What the Python scripts of harness/ share: directories, cpio archives, kernel logs."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).absolute().parent.parent
BUILD = ROOT / 'build'
LIST = ROOT / 'harness/selftests.list'

# What a kernel that is well never says.
SPLAT = re.compile(r'WARNING: |BUG[: ]|Oops|general protection fault|possible .* detected|INFO: '
                   r'|KASAN|UBSAN|[Bb]ad page|scheduling while atomic|sleeping function called'
                   r'|rcu.*stall|kmemleak: \d|refcount_t:|list_(add|del) corruption|ODEBUG'
                   r'|blocked for more than')


def variant():
    """What harness/variant says."""
    done = subprocess.run([ROOT / 'harness/variant'], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.strip()


def splats(lines, expected, races=None):
    """The lines of a kernel log that are bad, but for those that match one of these patterns.

    With DEBUG=race, `races` says which data races are no fault of the series.
    """
    return [line.strip() for number, line in enumerate(lines)
            if SPLAT.search(line) and not any(pattern.search(line) for pattern in expected)
            and not (races and races.excuses(lines[number:]))]


def unseen(lines, expected):
    """Those of these patterns that no line of a kernel log matches."""
    return [pattern.pattern for pattern in expected if not any(map(pattern.search, lines))]


def list_lines():
    """harness/selftests.list without comments: line number, first word, rest."""
    for number, line in enumerate(LIST.read_text().splitlines(), 1):
        word, _, rest = line.partition(' ')
        if word and not word.startswith('#'):
            yield number, word, rest


def expectations():
    """The expect lines of the list: pairs of a test's name and a pattern."""
    pairs = (rest.split(' ', 1) for _, word, rest in list_lines() if word == 'expect')
    return [(name, re.compile(pattern)) for name, pattern in pairs]


def libraries(paths):
    """What the dynamic linker would load for these programs, under the names it looks for.

    pthread_cancel() loads libgcc_s at run time.
    """
    text = subprocess.run(['ldd', *map(str, paths)], capture_output=True, text=True, check=False).stdout
    missing = re.search(r'^\s*(\S+) => not found', text, re.M)
    if missing:
        sys.exit(f"the library {missing[1]} is missing: run 'harness/deps'")
    found = set(re.findall(r'(?:=> |^\s+)(/\S+) \(0x', text, re.M))
    directory = next(Path(path).parent for path in found if path.endswith('/libc.so.6'))
    return found | {str(directory / 'libgcc_s.so.1')}


def cpio(members):
    """A cpio archive in the 'newc' format: name -> (mode, bytes), and their directories. Its times are always 0."""
    implied = {str(parent): (0o040755, b'') for name in members for parent in list(Path(name).parents)[:-1]}
    parts = []
    for number, (name, (mode, data)) in enumerate([*sorted((implied | members).items()), ('TRAILER!!!', (0, b''))], 1):
        path = name.encode() + b'\0'
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
        head = b'070701' + b''.join(b'%08x' % field for field in fields) + path
        parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
    return b''.join(parts)
