"""The entry point of the command line.

Only answers go to standard output. Exit status: 0 success, 1 a failed result, 2 a user error,
130 Ctrl-C.
"""

import sys

from attention_zoo import streams
from attention_zoo.errors import ResultError, UserError


def main():
    """Runs the command line and turns errors into messages and exit statuses."""
    status, message = 0, None
    try:
        streams.open_streams()
        streams.raise_on_interrupt()
        from attention_zoo.commands import app  # here, where Ctrl-C is handled
        from attention_zoo.plugins import plugins_first

        try:
            app(plugins_first(sys.argv[1:]))
        finally:
            sys.stdout.flush()  # not at exit, where errors could not be reported
    except SystemExit as end:
        status = end.code
    except UserError as error:
        status, message = 2, error
    except ResultError as error:
        status, message = 1, error
    except streams.StreamError as error:
        streams.drop_output()
        # The reader of our output, such as `head`, may have closed the pipe.
        status, message = (0, None) if error.reader_left else (2, error)
    except streams.Interrupted:
        status, message = 130, "interrupted"
    except OSError as error:
        if error.filename is None:
            raise
        status, message = 2, f"{error.filename}: {error.strerror}"
    if message is not None:
        streams.say(f"attention-zoo: {message}")
    streams.exit_with(status)


if __name__ == "__main__":
    main()
