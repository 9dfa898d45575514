"""Runs a command on a terminal of its own: terminal.py COLUMNS STEPS COMMAND…

STEPS is a JSON list of [EXPECTED, SENT]: as soon as the terminal has shown EXPECTED (after what the step before waited for), SENT is
typed. Prints everything that the terminal has shown, and ends with the exit code of the command.
"""

import fcntl, json, os, pty, struct, sys, termios, time

LIMIT_SECONDS = 60

columns, steps, command = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(command[0], command)

os.set_blocking(terminal, False)
shown, seen, deadline = b"", 0, time.monotonic() + LIMIT_SECONDS
while time.monotonic() < deadline:
    try:
        part = os.read(terminal, 65536)
        if not part:
            break
        shown += part
    except BlockingIOError:
        time.sleep(0.01)
    except OSError:  # the command has ended
        break
    if steps and (at := shown.find(steps[0][0].encode(), seen)) >= 0:
        seen = at + len(steps[0][0].encode())
        os.write(terminal, steps.pop(0)[1].encode())
else:
    os.kill(child, 9)
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if not steps else f"never shown: {steps[0][0]!r}")
