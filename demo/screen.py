# SPDX-License-Identifier: Apache-2.0
"""How the demonstration looks: one line an event, coloured on a terminal."""
import datetime
import os
import sys

GREEN, RED, YELLOW, BLUE, DIM, BOLD = "32", "31", "33", "36", "2", "1"


def dollars(micro):
    return f"${micro / 1_000_000:.6f}"


def describe(entry):
    """(verb, text, colour) of an event worth showing, else None."""
    data, task = entry.get("data", {}), entry.get("task", "")
    kind = entry["kind"]
    reason = data.get("reason") or data.get("detail") or ""
    shown = {
        "task.claimed": ("claims", task, BLUE),
        "task.completed": ("done", task, GREEN),
        "task.submitted": ("submits", task, GREEN),
        "task.failed": ("failed", f"{task}  {reason}", RED),
        "task.requeued": ("requeued", f"{task}  {reason}", YELLOW),
        "task.dead_lettered": ("dead letter", f"{task}  {reason}", RED),
        "task.quarantined": ("quarantined", f"{data.get('file', task)}  {reason}", YELLOW),
        "instance.started": ("runs", "in a room of its own", DIM),
        "instance.paused": ("paused", "", YELLOW),
        "instance.resumed": ("resumed", "", YELLOW),
        "instance.adopted": ("adopted", "found running by the new agentd", YELLOW),
        "instance.lost": ("lost", reason, RED),
        "instance.refused": ("refused", reason, RED),
        "denied": ("denied", reason, RED),
    }
    if kind == "model.settled":
        cost = data.get("cost_micro_usd", 0)
        tokens = data.get("input_tokens", 0) + data.get("output_tokens", 0)
        return "spends", f"{dollars(cost)}  {tokens} tokens of {data.get('model', '?')}", DIM
    if kind.startswith("cycle.") and kind.split(".")[1] in ("idle", "starved", "blocked"):
        return kind.split(".")[1], f"$0  {reason}", DIM
    return shown.get(kind)


class Screen:
    def __init__(self, plain):
        self.colour = not plain and sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, text, *codes):
        return f"\033[{';'.join(codes)}m{text}\033[0m" if self.colour and codes else text

    def line(self, text=""):
        print(text, flush=True)

    def gap(self):
        self.line()

    def title(self, text):
        self.line(self.paint(text, BOLD))
        self.line()

    def fact(self, name, text):
        self.line(f"  {name:<9} {text}")

    def note(self, text):
        self.line(f"  {text}")

    def scene(self, text):
        self.line()
        self.line(self.paint(f"── {text}", BOLD, YELLOW))

    def prompt(self, command):
        self.line(f"  {self.paint('$ ' + command, BOLD)}")

    def output(self, text):
        for row in text.splitlines():
            self.line(f"  {row}")

    def command(self, command, why):
        self.line(f"  {command:<66} {self.paint('# ' + why, DIM) if why else ''}".rstrip())

    def start(self):
        self.began = datetime.datetime.now(datetime.timezone.utc)

    def event(self, entry):
        shown = describe(entry)
        if shown:
            seconds = (datetime.datetime.fromisoformat(entry["time"].replace("Z", "+00:00")) - self.began).total_seconds()
            verb, text, colour = shown
            who = entry.get("instance") or entry.get("agent") or "-"
            self.line(f"  {seconds:6.2f}  {who:<18} {self.paint(f'{verb:<11}', colour)} {text}".rstrip())
