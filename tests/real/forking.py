"""The program as a process that is there at once: it is imported here, and each line of the input forks one run of it.

Reads argument lists as JSON, prints the process id of each run, and its wait status once it has ended.
"""

import json
import os
import sys
import threading
import time

import psycopg  # noqa: F401
import pyrage  # noqa: F401
import requests  # noqa: F401

from dkimctl.entry import main
from dkimctl.fleet import work  # noqa: F401
from dkimctl.lifecycle import effects  # noqa: F401
from dkimctl.providers.ovh import provider  # noqa: F401
from tests.real import mutants

time.sleep = threading.Event().wait  # type: ignore[assignment]  # libfaketime 0.9.10 refuses the system call by which Python sleeps
mutants.apply(os.environ.get("MUTANT", ""))
for line in sys.stdin:
    arguments = json.loads(line)
    if not (process := os.fork()):
        os.dup2(os.open(os.environ["LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        sys.argv = ["dkimctl", *arguments]
        os._exit(main())
    print(process, flush=True)
    _, status = os.waitpid(process, 0)
    print(status, flush=True)
