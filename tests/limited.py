"""Run a program that may write no more than so much into a file: as on a disk that fills up.

python tests/limited.py BYTES PROGRAM ARGUMENT ...
"""

import resource
import runpy
import sys

limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
