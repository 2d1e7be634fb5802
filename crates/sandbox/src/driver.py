import os
import sys


def main():
    # The program comes first on standard input; what follows it is read only once the program has come to its end.
    left = int(sys.argv[1])
    program = b""
    while left > len(program):
        part = os.read(0, left - len(program))
        if not part:
            os._exit(3)
        program += part
    report = os.dup(2)
    os.dup2(1, 2)
    write, leave, read = os.write, os._exit, os.read
    write(report, b"ready\n")
    sys.argv = [""]
    sys.stdin = None
    try:
        exec(compile(program.decode("utf-8"), "program.py", "exec"), {})
    except BaseException as error:
        text = type(error).__name__ + ": " + str(error)[:200].replace("\n", " ")
        write(report, ("raised " + text).encode("utf-8", "replace") + b"\n")
        leave(1)
    write(report, b"passed " + read(0, 64) + b"\n")
    leave(0)


main()
