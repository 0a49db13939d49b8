# SPDX-License-Identifier: GPL-2.0
"""build/linux, the patched kernel tree, as a git repository.

The commit tagged `base` is the plain kernel; above it stands one commit per line of
patches/series. A commit holds what its patch changes upstream and the new files that its line
lists. All of it is made with git plumbing in a private index: a patch that does not apply is
known before any file of the work tree is touched, and then only files that differ are written,
because make looks at their times.

build/linux/.git/harness.json says what the work tree was made from. It is written last, and
before files move it names the commit they move to: an interrupted run is seen and finished.
"""

import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LINUX = BUILD / "linux"
PACKAGE = "linux-source-6.12"
TARBALL = pathlib.Path("/usr/src") / f"{PACKAGE}.tar.xz"
VERSION = "6.12"

# Debian's .gitignore hides the whole tree from git. These lines, in their place, make it
# what it is upstream, so that git sees the new files of a developer.
DEBIAN_IGNORE = "#\n# Debian packaging"
UPSTREAM_IGNORE = "".join(f"!{name}\n" for name in (
    ".clang-format", ".clippy.toml", ".cocciconfig", ".editorconfig", ".get_maintainer.ignore",
    ".gitattributes", ".gitignore", ".kunitconfig", ".mailmap", ".rustfmt.toml", "tags/"))


class Failure(Exception):
    """One line for the user: what is wrong and what to do next."""


def run(main):
    """Run main() alone: no two commands change the tree at the same time."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            main()
        except Failure as failure:
            sys.exit(f"{os.path.relpath(sys.argv[0], ROOT)}: {failure}")
        except KeyboardInterrupt:
            sys.exit(130)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace").strip()
            sys.exit(f"{os.path.relpath(sys.argv[0], ROOT)}: {' '.join(map(str, error.cmd))}: {said}")


def set_aside(state, edited):
    """How to bring work in build/linux, of the kind that Repo.edited() tells, over a make tree."""
    made = state["made"][:12]
    return {
        None: "make tree",
        "changes": "git -C build/linux stash; make tree; git -C build/linux stash pop",
        "commits": f"git -C build/linux branch mine; git -C build/linux reset --keep {made}; make tree; "
                   f"git -C build/linux cherry-pick {made}..mine",
    }[edited]


def file_id(path):
    """Mode and git blob id of a file on disk, None when there is no file."""
    if path.is_symlink():
        mode, data = "120000", os.readlink(path).encode()
    elif path.is_file():
        mode = "100755" if os.access(path, os.X_OK) else "100644"
        data = path.read_bytes()
    else:
        return None
    return [mode, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()]


def replace(path, mode, data):
    """Give a file new content in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    if mode == "120000":
        part.symlink_to(data.decode())
    else:
        part.write_bytes(data)
        part.chmod(0o755 if mode == "100755" else 0o644)
    part.replace(path)


def remove(path, top):
    """Remove a file and the directories that it leaves empty."""
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == top or any(parent.iterdir()):
            break
        parent.rmdir()


def read_series(root=ROOT):
    """patches/series as a list of (patch, [new files])."""
    series = root / "patches/series"
    patches = []
    seen = set()
    for line in series.read_text().splitlines() if series.exists() else ():
        if not line.strip() or line.startswith("#"):
            continue
        patch, *files = line.split()
        for name in [f"patches/{patch}", *files]:
            if not (root / name).is_file():
                raise Failure(f"patches/series names {name}, which does not exist: restore it or take it out")
            if name in seen:
                raise Failure(f"patches/series names {name} twice: keep it in one line")
            seen.add(name)
        patches.append((patch, files))
    return patches


def read_inputs(patches):
    """What build/linux is made from, as {path: [mode, blob]}."""
    names = ["patches/series"]
    for patch, files in patches:
        names += [f"patches/{patch}", *files]
    return {name: file_id(ROOT / name) for name in names if (ROOT / name).exists()}


class Source:
    """Where the base comes from: Debian's package, or KDIR."""

    def __init__(self):
        kdir = os.environ.get("KDIR")
        if kdir:
            self.top = pathlib.Path(kdir).resolve()
            self.name = f"KDIR={kdir}"
            if not (self.top / "Makefile").is_file():
                raise Failure(f"{self.name} is no kernel source: give the directory of a Linux {VERSION} tree")
        else:
            self.top = None
            query = ["dpkg-query", "-W", "-f", "${Version}", PACKAGE]
            version = subprocess.run(query, capture_output=True, text=True, check=False).stdout
            if not version or not TARBALL.exists():
                raise Failure(f"no {PACKAGE} here: run harness/deps, or give a Linux {VERSION} tree with KDIR=")
            self.name = f"Debian {PACKAGE} {version}"
        self.is_git = self.top is not None and (self.top / ".git").exists()

    def identity(self):
        """A string that changes when the base does."""
        if self.top is None:
            return self.name
        if self.is_git:
            head = ["git", "-c", "safe.directory=*", "-C", self.top, "rev-parse", "HEAD"]
            return "commit " + subprocess.run(head, env=git_env(), check=True, capture_output=True, text=True).stdout.strip()
        find = ["find", self.top, "-type", "f", "-printf", r"%P %s %T@\0"]
        files = subprocess.run(find, stdout=subprocess.PIPE, check=True).stdout.split(b"\0")
        return "unpacked tree: " + hashlib.sha1(b"\0".join(sorted(files))).hexdigest()

    def unpack(self, target):
        """Put the source into target, which is empty but for .git."""
        if self.top is None:
            tar = ["tar", "-xf", TARBALL, "--strip-components=1", "-C", target]
            subprocess.run(tar, check=True)
            return
        if self.is_git:
            give = ["git", "-c", "safe.directory=*", "-C", self.top, "archive", "HEAD"]
        else:
            give = ["tar", "-C", self.top, "--exclude=*.o", "--exclude=./vmlinux*", "-cf", "-", "."]
        with subprocess.Popen(give, env=git_env(), stdout=subprocess.PIPE) as process:
            subprocess.run(["tar", "-xf", "-", "-C", target], stdin=process.stdout, check=True)
        if process.returncode:
            raise Failure(f"{self.name} cannot be read: see the lines above")


def git_env():
    """Neither the user's configuration nor a surrounding git command changes what git does here."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env.update(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", GIT_LITERAL_PATHSPECS="1",
               LC_ALL="C.UTF-8", TZ="UTC")
    return env


class Repo:
    """The git repository of a kernel tree under build/."""

    def __init__(self, top=LINUX):
        self.top = top
        self.dir = top / ".git"

    def git(self, *args, data=None, index=None, env=(), top=None, check=True):
        """The output of a git command."""
        full = git_env()
        full.update(GIT_DIR=str(self.dir), GIT_WORK_TREE=str(top or self.top), **dict(env))
        if index:
            full["GIT_INDEX_FILE"] = str(self.dir / index)
        done = subprocess.run(["git", *args], cwd=top or self.top, env=full, input=data,
                              capture_output=True, check=check)
        return done.stdout

    def line(self, *args, **kwargs):
        """The one line that a git command prints."""
        return self.git(*args, **kwargs).decode(errors="surrogateescape").strip()

    def private_index(self, name, like=None):
        """A private index file, empty or a copy of another one."""
        for leftover in (name, f"{name}.lock"):
            (self.dir / leftover).unlink(missing_ok=True)
        if like:
            shutil.copyfile(self.dir / like, self.dir / name)
        return name

    def update_index(self, index, files):
        """Set {path: (mode, blob) or None} in an index."""
        info = "".join(f"{mode} {blob}\t{path}\0" if mode else f"0 {'0' * 40}\t{path}\0"
                       for path, (mode, blob) in ((p, f or (None, None)) for p, f in files.items()))
        self.git("update-index", "-z", "--add", "--index-info", index=index,
                 data=info.encode(errors="surrogateescape"))

    def differences(self, *args):
        """{path: (old, new)} of a raw git diff, each (mode, blob) or None."""
        words = self.git(*args).decode(errors="surrogateescape").split("\0")
        result = {}
        for meta, path in zip(words[::2], words[1::2]):
            old_mode, new_mode, old, new, _ = meta[1:].split()
            result[path] = ((old_mode, old) if int(old_mode) else None,
                            (new_mode, new) if int(new_mode) else None)
        return result

    def blob(self, name):
        """The content of a blob."""
        return self.git("cat-file", "blob", name)

    def commit(self, tree, parent, author, message):
        """A commit whose id depends on nothing but its content."""
        name, email, date = author
        env = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", name), ("EMAIL", email), ("DATE", date))}
        return self.line("commit-tree", tree, *(("-p", parent) if parent else ()), "-F", "-",
                         env=env, data=message.encode(errors="surrogateescape"))

    def state(self):
        """What the work tree was made from."""
        path = self.dir / "harness.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def save(self, **state):
        """Record what the work tree was made from."""
        replace(self.dir / "harness.json", "100644", json.dumps(state, indent=1).encode())

    def edited(self, state):
        """Does the tree hold work that is not in patches/: 'commits', 'changes' or nothing?"""
        moving = state.get("next")
        if self.line("rev-parse", "HEAD") not in (state["made"], moving):
            return "commits"
        self.git("update-index", "-q", "--refresh", check=False)
        changed = self.differences("diff-index", "-z", "--no-renames", "HEAD")
        if moving and changed:
            # An interrupted run wrote these files, whole, if they are as the next commit has them.
            wanted = self.differences("diff-tree", "-r", "-z", "--no-renames", "HEAD", moving)
            changed = [path for path in changed if path not in wanted
                       or file_id(self.top / path) != (wanted[path][1] and list(wanted[path][1]))]
        return "changes" if changed else None

    def move(self, commit):
        """Make the work tree that of a commit, touching only the files that differ."""
        wanted = self.differences("diff-index", "-z", "--no-renames", commit)
        for path, (new, old) in wanted.items():
            if new and not old and file_id(self.top / path) not in (None, list(new)):
                raise Failure(f"{path} is a new file of the patches and lies in build/linux with other "
                              "content: move it away, then run this again")
        for path, (new, _) in wanted.items():
            if new:
                replace(self.top / path, new[0], self.blob(new[1]))
            else:
                remove(self.top / path, self.top)
        index = self.private_index("index.move", like="index")
        self.git("read-tree", "--reset", commit, index=index)
        self.git("update-index", "-q", "--refresh", index=index, check=False)
        (self.dir / index).replace(self.dir / "index")
        self.git("update-ref", "HEAD", commit)

    def base(self, source, identity, fresh):
        """The commit of the plain source, made once."""
        ref = "refs/harness/" + hashlib.sha1(identity.encode()).hexdigest()
        known = self.line("rev-parse", "-q", "--verify", ref, check=False)
        if known:
            return known
        commit = self.add_base(source, fresh)
        self.git("update-ref", ref, commit)
        return commit

    def add_base(self, source, fresh):
        """Commit the plain source; a fresh repository takes the unpacked files as its work tree."""
        top = self.top if fresh else BUILD / "base.part"
        if not fresh:
            shutil.rmtree(top, ignore_errors=True)
            top.mkdir()
        print(f"unpacking {source.name}, once: about a minute", file=sys.stderr)
        source.unpack(top)
        with open(top / "Makefile", encoding="utf-8") as makefile:
            number = dict(re.findall(r"^(\w+) = (\d+)$", makefile.read(4096), re.M))
        version = ".".join(number.get(key, "?") for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
        if not version.startswith(f"{VERSION}."):
            shutil.rmtree(top)
            raise Failure(f"{source.name} is Linux {version}, the patches are for {VERSION}.y: "
                          "give such a tree with KDIR=, or none for Debian's")
        ignore = top / ".gitignore"
        if ignore.exists() and DEBIAN_IGNORE in ignore.read_text():
            ignore.write_text(ignore.read_text().split(DEBIAN_IGNORE)[0] + UPSTREAM_IGNORE)
        index = "index" if fresh else self.private_index("index.base")
        # Files over the threshold stream into one pack: no 86000 object files. What a build left
        # in KDIR is ignored; the other two sources hold only what belongs to the kernel.
        force = () if source.top and not source.is_git else ("-f",)
        self.git("-c", "core.bigFileThreshold=1", "-c", "core.compression=1", "add", "-A", *force,
                 index=index, top=top)
        tree = self.line("write-tree", index=index)
        commit = self.commit(tree, None, ("base", "base", "@0 +0000"), f"Linux {version}\n\n{source.identity().split(':')[0]}\n")
        if fresh:
            self.git("update-ref", "HEAD", commit)
            self.git("clean", "-fdxq")
        else:
            shutil.rmtree(top)
        return commit

    def add_patches(self, base, patches, root=ROOT):
        """Commit the patches on top of base and return the last commit."""
        index = self.private_index("index.make")
        self.git("read-tree", base, index=index)
        new_files = {name: file_id(root / name) for _, names in patches for name in names}
        if new_files:
            known = self.line("ls-tree", "-r", "--name-only", base, "--", *new_files).splitlines()
            if known:
                raise Failure(f"patches/series has {known[0]} as a new file, but the base has it: change it in a patch")
            self.git("hash-object", "-w", "--no-filters", "--stdin-paths",
                     data="".join(f"{root / name}\n" for name in new_files).encode())
        commit = base
        for patch, names in patches:
            with tempfile.TemporaryDirectory() as tmp:
                info = self.line("mailinfo", "-b", f"{tmp}/message", f"{tmp}/diff",
                                 data=(root / "patches" / patch).read_bytes())
                body = pathlib.Path(tmp, "message").read_text(errors="surrogateescape").strip()
                diff = pathlib.Path(tmp, "diff").read_bytes()
            header = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
            missing = {"Author", "Email", "Subject", "Date"} - set(header)
            if missing:
                raise Failure(f"patches/{patch} has no {' and no '.join(sorted(missing))}: "
                              "write its mail header as git format-patch does")
            if re.search(rb"^diff --git ", diff, re.M):
                try:
                    self.git("apply", "--cached", "--whitespace=nowarn", index=index, data=diff)
                except subprocess.CalledProcessError as error:
                    raise Failure(self.apply_error(base, patch, error.stderr.decode())) from None
            self.update_index(index, {name: new_files[name] for name in names})
            message = header["Subject"] + "\n" + (f"\n{body}\n" if body else "")
            commit = self.commit(self.line("write-tree", index=index), commit,
                                 (header["Author"], header["Email"], header["Date"]), message)
        return commit

    def apply_error(self, base, patch, said):
        """Which base, which patch, which file."""
        what = re.search(r"^error: (?:patch failed: )?(.*)", said, re.M)
        where = what.group(1) if what else said.strip()
        subject = " (".join(self.line("log", "-1", "--format=%B", base).split("\n\n")) + ")"
        return (f"{subject}: patches/{patch} does not apply at {where}; nothing was changed. "
                "Mend that patch, or give the base it was made for with KDIR=")


def worktree(name, commit):
    """build/NAME, a second work tree of build/linux, with the files of a commit."""
    repo = Repo()
    top = BUILD / name
    try:
        subprocess.run(["git", "rev-parse", "--git-dir"], cwd=top, env=git_env() |
                       {"GIT_CEILING_DIRECTORIES": str(BUILD)}, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        shutil.rmtree(top, ignore_errors=True)
        repo.git("worktree", "prune")
        repo.git("worktree", "add", "-q", "-f", "--no-checkout", "--detach", str(top), commit)
    lock = repo.dir / "worktrees" / name / "index.lock"
    lock.unlink(missing_ok=True)
    subprocess.run(["git", "reset", "-q", "--hard", commit], cwd=top, env=git_env(), check=True)
    return top
