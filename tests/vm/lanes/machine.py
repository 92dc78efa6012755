# SPDX-License-Identifier: Apache-2.0
"""A machine of its own in QEMU: its own kernel, unified cgroup v2, AppArmor, a disk that can lose its power."""
import os
import shutil
import signal
import subprocess
import time

from .lane import Tail, Trouble

QEMU = "qemu-system-x86_64"
# `mitigations=off` and what follows only save time under emulation; nothing that is tested depends on them.
KERNEL_WORDS = ("console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr random.trust_cpu=on no_timer_check "
                "cryptomgr.notests systemd.show_status=0 apparmor=1 security=apparmor psi=1")
# The emulated processor's counter is the host's, and on a busy host the kernel mistakes its speed: its clock then runs away. The
# timer of the board keeps time.
EMULATED = "clocksource=hpet vm.emulated=1"
LINES = ("out", "err", "status", "files")


def kvm_works():
    """Being able to open /dev/kvm is not enough: some hosts refuse what an ordinary guest needs. So it is tried."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    tried = subprocess.run([QEMU, "-accel", "kvm", "-cpu", "host", "-M", "q35", "-m", "64", "-nodefaults", "-display", "none",
                            "-monitor", "stdio"], input="quit\n", text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=20)
    return tried.returncode == 0


def command_line(job, boot, kvm):
    options = job.options
    machine = ["-accel", "kvm", "-cpu", "host"] if kvm else ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem"]
    line = [QEMU, "-M", "q35", *machine, "-smp", "2", "-m", str(options.memory), "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-rtc", "base=utc,clock=host",
            "-kernel", job.system / "kernel", "-initrd", job.system / "initrd",
            "-append", f"{KERNEL_WORDS} {'' if kvm else EMULATED} vm.boot={boot}",
            "-chardev", f"file,id=console,path={job.file('console')},append=on", "-serial", "chardev:console",
            # cache=unsafe: the host's memory outlives the machine, so that what the guest's disk was given survives a power
            # cut and what it was not given yet is lost, which is the cut that we want.
            "-drive", f"file={job.file('disk')},if=none,id=root,format=raw,cache=unsafe,discard=unmap",
            "-device", "virtio-blk-pci,drive=root",
            "-drive", f"file={job.file('payload.tar')},if=none,id=payload,format=raw,cache=unsafe,read-only=on",
            "-device", "virtio-blk-pci,drive=payload",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
    for number, name in enumerate(LINES, start=1):
        line += ["-chardev", f"file,id={name},path={job.file(name)},append=on",
                 "-device", f"virtserialport,chardev={name},nr={number},name=vm.{name}"]
    return line


def boot(job):
    """Boots until the guest says that it ended; a power cut that it asks for starts the same disk again."""
    if not shutil.which(QEMU):
        raise Trouble(f"{QEMU} is not installed (package qemu-system-x86); AGENTD_SKIP_VM=1 leaves these tests out")
    subprocess.run(["cp", "--sparse=always", job.system / "root.ext4", job.file("disk")], check=True)
    subprocess.run(["tar", "-c", "-f", job.file("payload.tar"), "-C", job.payload, "--owner=0", "--group=0", "."], check=True)
    deadline = time.monotonic() + job.limit
    kvm, number = kvm_works(), 1
    status_line = Tail(job.file("status"))
    while True:
        log = open(job.file("qemu.log"), "ab")
        qemu = subprocess.Popen(command_line(job, number, kvm), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                preexec_fn=die_with_parent)
        try:
            ended = watch(job, qemu, status_line, deadline)
        finally:
            qemu.kill()
            qemu.wait()
            log.close()
        if ended is not None:
            return ended
        number += 1


def die_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def watch(job, qemu, status_line, deadline):
    """The status that the guest ends with, or None when its power was cut or it was rebooted (QEMU ends: -no-reboot)."""
    cut_at, rebooting = None, False
    while True:
        gone = qemu.poll() is not None  # before its last words are read
        for line in status_line.lines():
            word, *rest = line.split()
            if word == "end":
                return int(rest[0])
            if word == "cut":
                cut_at = time.monotonic() + float(rest[0])
            rebooting = rebooting or word == "reboot"
            job.on_status(line)
        now = time.monotonic()
        if (cut_at is not None and now >= cut_at) or (gone and rebooting and qemu.returncode == 0):
            return None
        if now > deadline:
            raise Trouble(f"not done in {job.limit:.0f} s")
        if gone:
            said = job.file("qemu.log").read_text(errors="replace").strip()
            raise Trouble(f"{QEMU} ended with {qemu.returncode} before the guest was done{': ' + said if said else ''}")
        time.sleep(0.01 if cut_at else 0.05)
