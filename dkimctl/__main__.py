"""`python -m dkimctl`: the same program as the `dkimctl` command."""

import sys

from dkimctl.entry import main

sys.exit(main())
