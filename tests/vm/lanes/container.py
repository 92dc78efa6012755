# SPDX-License-Identifier: Apache-2.0
"""The same system's systemd as a container on this machine's kernel: half a second to start, native speed. Its control
groups are the host's, so limits hold only where the host's cgroup2 carries the controllers."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

from .lane import Tail, Trouble

# Runs in fresh namespaces: builds the root from an overlay in memory, and becomes systemd.
INSIDE = r"""
set -e
mount --make-rprivate /
# A boot of its own may be followed by another: what it writes lies on the disk, not in memory.
fresh() { if [ -n "$KEPT" ]; then mkdir -p "$WORK/kept/$1"; mount --bind "$WORK/kept/$1" "$2"; else mount -t tmpfs -o mode=755 "$1" "$2"; fi; }
fresh overlay "$WORK/overlay"; mkdir -p "$WORK/overlay/upper" "$WORK/overlay/work"
mount -t overlay -o "lowerdir=$WORK/payload:$SYSTEM/root,upperdir=$WORK/overlay/upper,workdir=$WORK/overlay/work" root "$WORK/root"
cd "$WORK/root"
echo "$BOOT" > vm/boot
# Rooms want idmapped mounts, which an overlay does not give: what is written lies in plain memory.
fresh var "$WORK/lines"; [ "$BOOT" != 1 ] || cp -a var/. "$WORK/lines/"; mount --move "$WORK/lines" var; fresh srv srv
# The host's settings are nobody's here; those of the network are of the container's own.
mount -t proc proc proc; mount --bind proc/sys proc/sys; mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net; mount -o remount,bind,rw proc/sys/net
# A room may mount a /proc of its own only where a whole one is in sight.
mkdir -p vm/proc; mount -t proc proc vm/proc
mount -t sysfs -o ro sys sys; mount -t cgroup2 -o nsdelegate cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 dev dev
for d in null zero full random urandom tty; do : > dev/$d; mount --bind /dev/$d dev/$d; done
mkdir -p dev/pts dev/shm; mount -t devpts -o newinstance,ptmxmode=666 pts dev/pts; ln -s pts/ptmx dev/ptmx; mount -t tmpfs shm dev/shm
mount -t tmpfs -o mode=755 run run; mount -t tmpfs tmp tmp
mkdir -p run/host; mount --bind "$WORK/lines" run/host
pivot_root . mnt; umount -l /mnt
# As a machine's systemd does it itself: a service's credentials are mounted elsewhere and show by propagation.
mount --make-rshared /
ip link set lo up
exec env -i container=agentd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init --log-level=err --log-target=console
"""


def cgroup2():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2":
            return pathlib.Path(fields[4])
    raise Trouble("no cgroup2 is mounted here (/proc/self/mountinfo)")


def boot(job):
    for program in ("unshare", "pivot_root", "ip"):
        if not shutil.which(program):
            raise Trouble(f"{program} is not installed")
    for folder in ("overlay", "root", "lines"):
        job.file(folder).mkdir()
    for name in ("out", "err", "status", "files"):
        (job.file("lines") / name).touch()
        job.file(name).symlink_to(job.file("lines") / name)
    deadline, number, status_line = time.monotonic() + job.limit, 1, Tail(job.file("status"))
    while (ended := boot_once(job, number, status_line, deadline)) is None:
        number += 1
    return ended


def boot_once(job, number, status_line, deadline):
    # Another group than our own would be killed with us; the name says whose it is.
    group = cgroup2() / f"agentd-test-{os.getpid()}"
    group.mkdir()
    console = open(job.file("console"), "ab")
    machine = subprocess.Popen(["unshare", "-m", "-p", "-f", "-C", "-i", "-u", "-n", "--kill-child", "sh", "-c", INSIDE],
                               stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                               env={**os.environ, "WORK": str(job.work), "SYSTEM": str(job.system), "BOOT": str(number),
                                    "KEPT": "1" if job.kept else ""},
                               start_new_session=True, preexec_fn=lambda: enter(group))
    try:
        return watch(job, machine, status_line, deadline)
    finally:
        end(machine, group)
        console.close()


def enter(group):
    (group / "cgroup.procs").write_text("0")


def watch(job, machine, status_line, deadline):
    """The status that the guest ends with, or None when it was rebooted."""
    rebooting = False
    while True:
        gone = machine.poll() is not None  # before its last words are read
        for line in status_line.lines():
            word, *rest = line.split()
            if word == "end":
                return int(rest[0])
            rebooting = rebooting or word == "reboot"
            job.on_status(line)
        if gone and rebooting:
            return None
        if time.monotonic() > deadline:
            raise Trouble(f"not done in {job.limit:.0f} s")
        if gone:
            raise Trouble(f"the container's systemd ended with {machine.returncode}")
        time.sleep(0.02)


def end(machine, group):
    """Everything in the group goes at once, then the group from its leaves."""
    (group / "cgroup.kill").write_text("1")
    machine.wait()
    for _ in range(100):
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # its last process is still on its way out; the next round
        if not group.exists():
            return
        time.sleep(0.05)
    raise Trouble(f"{group} could not be removed")
