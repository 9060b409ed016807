"""The monitor: it reads logs, keeps what it counted, decides, and tells.

Nothing in it multiplies matrices. The threads that OpenBLAS starts for that, when numpy and SciPy
are imported, would cost each process a quarter of a second of CPU, so they are not asked for; what
the environment says stands.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported
