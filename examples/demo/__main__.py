"""Seven networks on distorted handwritten digits, six of them with a spatial transformer.

    python examples/demo [--backend torch] [--out demo] [--seeds 3] [--epochs 20] [--quick]

Writes accuracy_<backend>.csv and .md, a table, and digits_<backend>.png, a picture, to a folder.
"""

from __future__ import annotations

import os
import sys

from options import DemoError, parse

# Two threads that wait for each other by spinning are slower than one as soon as a core is shared.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no word about instruction sets


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo; returns the exit status."""
    try:
        run, out, threads = parse(arguments)
        from demo_run import perform

        perform(run, out, threads)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("demo: interrupted; nothing was written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
