#!/usr/bin/env python3
"""Builds the tests and runs them, two test programs at a time; ends with one line that sums them up.

Most of a test program's time is spent on waiting: for a broker to start, for a killed one to come back. Cargo
runs one after the other. Arguments go to `cargo test`, and those behind `--` to each test program. Every program
starts the parts that it needs itself, on free ports, and stops them.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

# How many run at once: more on few cores makes each of them late.
JOBS = int(os.environ.get("RAGSTREAM_TEST_JOBS", "2"))
# The longest takes a third of this on two busy cores: what is still running then hangs.
LIMIT_S = 1500
CARGO = ["cargo", "test", "--locked", "--workspace"]


class Program:
    """A test program, run where and as Cargo would run it."""

    def __init__(self, artifact):
        self.folder = os.path.dirname(artifact["manifest_path"])
        target = artifact["target"]
        self.name = f"{os.path.basename(self.folder)}::{target['name']}"
        self.kind = target["kind"][0]
        self.path = artifact["executable"]

    def order(self):
        # Those with a node of their own are the long ones: begun late, one of them would run alone at the end.
        return (os.path.basename(self.folder) != "e2e", self.kind != "test", self.name)

    def run(self, arguments):
        """Its output, what passed and failed, and the seconds it took."""
        begun = time.monotonic()
        environment = os.environ | {"CARGO_MANIFEST_DIR": self.folder}
        process = subprocess.Popen(
            [self.path, *arguments], cwd=self.folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        RUNNING.add(process)
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            end(process)
            output = process.communicate()[0] + f"\nstopped: still running after {LIMIT_S} s\n"
        RUNNING.discard(process)
        passed = len(re.findall(r"^test .*\.\.\. ok\b", output, re.M))
        failed = len(re.findall(r"^test .*\.\.\. FAILED\b", output, re.M))
        # A program that died has no line for the test that killed it.
        if process.returncode != 0:
            failed = max(failed, 1)
        return output, passed, failed, time.monotonic() - begun


RUNNING = set()


def end(process):
    """Ends a test program with all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def built(arguments):
    """Builds the tests; the programs to run, the long ones first."""
    build = subprocess.run(
        [*CARGO, "--no-run", "--message-format", "json-render-diagnostics", *arguments], stdout=subprocess.PIPE, text=True)
    if build.returncode != 0:
        sys.exit(build.returncode)
    messages = (json.loads(line) for line in build.stdout.splitlines() if line.startswith("{"))
    programs = [Program(m) for m in messages
                if m["reason"] == "compiler-artifact" and m["profile"]["test"] and m["executable"]]
    return sorted(programs, key=Program.order)


def main():
    os.chdir(pathlib.Path(__file__).parent.parent)
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    programs = built(arguments[:split])
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        runs = {pool.submit(program.run, arguments[split + 1:]): program for program in programs}
        try:
            for run in concurrent.futures.as_completed(runs):
                output, good, bad, seconds = run.result()
                passed, failed = passed + good, failed + bad
                if bad:
                    print(output)
                print(f"{'FAILED' if bad else 'ok':6} {good:4} passed {seconds:6.1f} s  {runs[run].name}", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(RUNNING):
                end(process)
            sys.exit(130)
    # Cargo alone knows how to run the examples in the documentation, and does so for all of the code.
    if not arguments:
        documentation = subprocess.run([*CARGO, "--quiet", "--doc"], stdout=subprocess.PIPE, text=True)
        if documentation.returncode != 0:
            print(documentation.stdout)
            failed += 1
        passed += sum(map(int, re.findall(r"^test result: .* (\d+) passed", documentation.stdout, re.M)))
    print(f"\n{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
