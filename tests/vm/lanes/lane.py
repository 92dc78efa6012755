# SPDX-License-Identifier: Apache-2.0
"""What both lanes share: the options, the payload, and the report. A lane boots a system and talks to its guest/agent."""
import argparse
import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
PROJECT = HERE.parent.parent
SKIPPED = 77


class Trouble(Exception):
    """The lane itself could not do its work; says why."""


@dataclasses.dataclass
class Case:
    """tests/vm/cases/NAME.sh and what its header says."""
    name: str
    lanes: list
    limit: int
    start: str
    own_boot: bool
    long: bool
    build: list

    @staticmethod
    def load(name):
        path = HERE / "cases" / f"{name}.sh"
        if not path.exists():
            raise Trouble(f"there is no case {path}")
        header = dict(re.findall(r"^# (Lanes|Limit|Start|Boot|Long|Build): *(.*)$", path.read_text(), re.M))
        if "Lanes" not in header:
            raise Trouble(f"{path} has no line '# Lanes: machine container'")
        return Case(name, header["Lanes"].split(), int(header.get("Limit", 60)), header.get("Start", "installed"),
                    header.get("Boot") == "own", header.get("Long") == "yes", header.get("Build", "").split())


@dataclasses.dataclass
class Job:
    """One system to boot and what to do in it."""
    options: argparse.Namespace
    system: pathlib.Path      # from tests/vm/image
    payload: pathlib.Path     # a tree to lay over the root
    work: pathlib.Path        # of this run alone
    limit: float              # seconds, boot and all
    on_status: object         # called with each line that the guest says on its status line
    kept: bool                # a boot of its own, which may be followed by another of the same disk

    def file(self, name):
        return self.work / name


class Tail:
    """Lines that are appended to a file by somebody else, as they come."""

    def __init__(self, path):
        self.path, self.offset, self.rest = path, 0, b""

    def lines(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                new = file.read()
        except FileNotFoundError:
            return []
        self.offset += len(new)
        *whole, self.rest = (self.rest + new).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


def parse_options(lane):
    parser = argparse.ArgumentParser(
        prog=lane, description=f"Boots a system as a {lane}, runs cases of tests/vm/cases or a command as root inside, and brings "
        "back what it said, its files and its status.")
    parser.add_argument("--release", default="bookworm", help="the Debian release to boot")
    parser.add_argument("--deb", help="the package under test; by default the newest agentd_*.deb of --build")
    parser.add_argument("--build", default=PROJECT / "build/release", type=pathlib.Path, help="the build tree")
    parser.add_argument("--bare", action="store_true", help="without a package")
    parser.add_argument("--tree", action="append", default=[], help="a tree to lay over the root; repeatable")
    parser.add_argument("--same", action="append", default=[], help="a file or folder to put at the same path; repeatable")
    parser.add_argument("--out", type=pathlib.Path, help="where the guest's /vm/out goes")
    parser.add_argument("--limit", type=float, help="seconds for everything; by default what the cases say and the boot")
    parser.add_argument("--memory", type=int, default=2048, help="MiB (machine)")
    parser.add_argument("--console", action="store_true", help="show the console in any case")
    parser.add_argument("words", nargs="*", metavar="CASE | -- COMMAND", help="cases, or after -- a command")
    arguments, command = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, command = arguments[:at], arguments[at + 1:]
    options = parser.parse_args(arguments)
    options.command = command
    if bool(options.words) == bool(command):
        parser.error("name cases, or a command after --")
    return options


def package_of(options):
    if options.bare:
        return None
    if options.deb:
        return pathlib.Path(options.deb)
    found = sorted(options.build.glob("agentd_*.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise Trouble(f"no agentd_*.deb in {options.build}: make it with `cmake --build {options.build} --target package`")
    return found[-1]


def system_for(options, package):
    depends = ""
    if package:
        depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    made = subprocess.run([HERE / "image", "--release", options.release, "--depends", depends], text=True, stdout=subprocess.PIPE)
    if made.returncode != 0:
        raise Trouble(f"tests/vm/image ended with {made.returncode}")
    return pathlib.Path(made.stdout.splitlines()[-1])


def lay_payload(lane, options, cases, package, root):
    """The tree /vm of the guest, and what the options add."""
    for tree in options.tree:
        shutil.copytree(tree, root, symlinks=True, dirs_exist_ok=True)
    wanted = [options.build / part for case in cases for part in case.build]
    for place in map(pathlib.Path, [*options.same, *wanted]):
        target = root / place.resolve().relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(place, target, symlinks=True, dirs_exist_ok=True) if place.is_dir() else shutil.copy2(place, target)
    vm = root / "vm"
    for folder in ("cases", "debs", "files"):
        (vm / folder).mkdir(parents=True)
    for file in ("agent", "cases"):
        shutil.copy2(HERE / "guest" / file, vm / ("agent" if file == "agent" else "run-cases"))
    for library in HERE.glob("*.sh"):
        shutil.copy2(library, vm)
    shutil.copy2(PROJECT / "demo/model.yaml", vm / "files/model.yaml")
    shutil.copy2(PROJECT / "README.md", vm / "files/README.md")
    for folder in ("docs", "demo"):  # for the case that runs every command they show
        shutil.copytree(PROJECT / folder, vm / "files" / folder)
    programs = options.build / "tests/programs"
    if programs.is_dir():  # where rooms see them
        shutil.copytree(programs, root / "usr/local/lib/agentd-test", ignore=lambda _, names: [n for n in names if "." in n or n == "CMakeFiles"])
    for case in cases:
        shutil.copy2(HERE / "cases" / f"{case.name}.sh", vm / "cases")
    if package:
        shutil.copy2(package, vm / "debs")
    words = ["/vm/run-cases", *(case.name for case in cases)] if cases else options.command
    (vm / "command").write_text("exec " + shlex.join(words) + "\n")
    (vm / "lane").write_text(lane + "\n")
    (vm / "build").write_text(f"{options.build.resolve()}\n")


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


def show_failure(job, cases_failed):
    """The words of the failed cases, or all of them; the errors, and the end of the console."""
    out = read(job.file("out"))
    if cases_failed:
        parts = re.split(r"^(?==== )", out, flags=re.M)
        out = "".join(part for part in parts if part[4:].split("\n")[0] in cases_failed)
    for title, text in (("output", out), ("errors", read(job.file("err"))), ("console", "\n".join(read(job.file("console")).splitlines()[-40:]))):
        if text.strip():
            print(f"--- {title}\n{text.rstrip()}", file=sys.stderr)


def run_job(lane, boot, options, job, cases):
    began, seen = time.monotonic(), []

    def on_status(line):
        word, *rest = line.split()
        if word == "up":
            print(f"{lane}: {options.release} is up after {time.monotonic() - began:.1f} s", flush=True)
        if word == "note":
            print(f"{lane}: {line[5:]}", flush=True)
        if word == "case":
            seen.append((rest[0], int(rest[1])))
            print(f"{lane}: {rest[0]} {'ok' if rest[1] == '0' else 'FAILED (' + rest[1] + ')'}, {rest[2]} s", flush=True)

    job.on_status = on_status
    try:
        status = boot(job)
    except Trouble:
        show_failure(job, [])
        raise
    if job.file("files").exists() and options.out and job.file("files").stat().st_size:
        options.out.mkdir(parents=True, exist_ok=True)
        subprocess.run(["tar", "-x", "-f", job.file("files"), "-C", options.out], check=True)
    if not cases:
        sys.stdout.write(read(job.file("out")))
        sys.stderr.write(read(job.file("err")))
    missing = [case.name for case in cases if case.name not in dict(seen)]
    if missing:
        print(f"{lane}: no word of {', '.join(missing)}", file=sys.stderr)
        status = status or 1
    if (status and cases) or options.console:
        show_failure(job, [name for name, code in seen if code] + missing)
    return status


def main(lane, boot, boot_seconds):
    options = parse_options(lane)
    if os.environ.get("AGENTD_SKIP_VM") == "1":
        print(f"{lane}: skipped, AGENTD_SKIP_VM=1 is set")
        return SKIPPED
    if os.geteuid() != 0:
        print(f"{lane}: needs root", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        cases = [Case.load(name) for name in options.words]
        for case in cases:
            if lane not in case.lanes:
                raise Trouble(f"{case.name} is not for this lane (its header says Lanes: {' '.join(case.lanes)})")
            if case.own_boot and len(cases) > 1:
                raise Trouble(f"{case.name} wants a boot of its own (its header says Boot: own)")
        package = package_of(options)
        system = system_for(options, package)
        with tempfile.TemporaryDirectory(prefix=f"agentd-{lane}.", dir="/var/tmp") as work:
            work = pathlib.Path(work)
            work.chmod(0o755)
            payload = work / "payload"
            payload.mkdir()
            lay_payload(lane, options, cases, package, payload)
            # A start of each case takes its time as well: a package is removed and installed.
            limit = options.limit or boot_seconds + sum(case.limit + 90 for case in cases) + (300 if options.command else 0)
            return run_job(lane, boot, options, Job(options, system, payload, work, limit, None, any(case.own_boot for case in cases)), cases)
    except Trouble as trouble:
        print(f"{lane}: {trouble}", file=sys.stderr)
        return 125
