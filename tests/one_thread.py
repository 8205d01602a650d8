"""dkimctl whose threads are run where they are started: so strace counts every call in one row.

    python -m tests.one_thread ARGUMENT…

The system calls are those of the real program; `tests/test_write_faults.py` compares their numbers.
"""

import sys
import threading

from dkimctl.entry import main

if __name__ == "__main__":
    threading.Thread.start = threading.Thread.run  # type: ignore[method-assign]
    sys.exit(main())
