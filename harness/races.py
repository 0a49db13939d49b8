# SPDX-License-Identifier: GPL-2.0
"""Whose data race is it that KCSAN reports: with DEBUG=race, a part of the verdict on a kernel's log.

Linux 6.12 has races of its own. A report is about the base if no function on its stacks is in a C file
that the series adds or changes: inlined code of its headers races with what is in one of these, too.
Below what interrupts, and the scheduler, nothing counts. Of the other reports, those that
harness/races.list knows from the base are excused; the rest, and reports that are incomplete, are not.
"""
import re
import subprocess
import sys

from lib import BUILD, ROOT

RACES = ROOT / 'harness/races.list'
HEAD = re.compile(r'BUG: KCSAN: .* in (\S+)(?: \[\w+\])?(?: / (\S+)(?: \[\w+\])?)?$')
ACCESS = re.compile(r' bytes by (?:task \d+|interrupt) on cpu \d+:$')
FRAME = re.compile(r' ([\w.]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?$')
BORDER = re.compile(r'asm_(sysvec_\w+|common_interrupt)|__schedule')
FOOT = re.compile('={60}$')


def whole_reports(lines, mark):
    """Lines that match mark, where a log is cut, go behind the report that another CPU is printing."""
    inside, later = False, []
    for line in lines:
        if inside and mark.search(line):
            later.append(line)
            continue
        yield line
        if HEAD.search(line):
            inside = True
        elif FOOT.search(line):
            inside = False
            yield from later
            later = []
    yield from later


def plain(function):
    """The name in the source."""
    return re.split(r'[.+]', function)[0]


def known_races():
    """The races of harness/races.list, as pairs or single functions, and the line of each."""
    races = {}
    for number, line in enumerate(RACES.read_text().splitlines(), 1):
        if line and not line.startswith('#'):
            found = re.fullmatch(r'(\w+)(?: / (\w+))?: \S.*', line)
            if not found:
                sys.exit(f"{RACES.name}:{number}: '{line}' is not FUNCTION / FUNCTION: REASON")
            races[tuple(sorted(filter(None, found.groups())))] = line
    return races


def functions(kernel, kind):
    """What is defined in the objects of C files that the series adds (A) or changes (M)."""
    paths = subprocess.run(['git', 'diff', '--name-only', '--no-renames', f'--diff-filter={kind}', 'base', '--', '*.c'],
                           cwd=BUILD / 'linux', stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    objects = [path for path in ((kernel / path).with_suffix('.o') for path in paths) if path.exists()]
    if not objects:
        return set()
    symbols = subprocess.run(['nm', '--defined-only', '--format=posix', *objects], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.splitlines()
    fields = [line.split() for line in symbols]
    return {plain(field[0]) for field in fields if len(field) > 1 and field[1] in 'tTwW'}


class Races:
    """What to think of the reports of one kernel, by its build directory."""

    def __init__(self, kernel):
        self.known, self.seen = known_races(), set()
        self.added = functions(kernel, 'A')
        self.touched = self.added | functions(kernel, 'M')
        if not self.touched:
            sys.exit(f'{kernel.relative_to(ROOT)} has no object of a file that the series changes')

    def excuses(self, lines):
        """Is this, from its headline on, a report of a race that the base has?"""
        head = HEAD.search(lines[0])
        if not head:
            return False
        racing = tuple(sorted(map(plain, filter(None, head.groups()))))
        verdict, text = 'new', ' / '.join(racing)
        stacks = read_stacks(lines[1:])
        if len(stacks) == len(racing) and all(stacks) and self.touched.isdisjoint(sum(stacks, [])):
            verdict = 'base'
        elif racing in self.known and not self.added.intersection(racing):
            verdict, text = 'listed', self.known[racing]
        self.seen.add(f'{verdict} {text}\n')
        return verdict != 'new'

    def record(self):
        """For harness/test and for people: each race once a run, and what became of it."""
        with open(BUILD / 'logs/races.seen', 'a', encoding='utf-8') as file:
            file.writelines(sorted(self.seen))


def read_stacks(lines):
    """The functions on each stack of a report, down to what they interrupted; none if its end is missing."""
    stacks, below = [], False
    for line in lines:
        frame = FRAME.search(line)
        if FOOT.search(line):
            return stacks
        if HEAD.search(line) or 'printk messages dropped' in line:
            break
        if ACCESS.search(line):
            stacks.append([])
            below = False
        elif frame and stacks and not below:
            stacks[-1].append(plain(frame[1]))
            below = BORDER.fullmatch(frame[1]) is not None
    return []
