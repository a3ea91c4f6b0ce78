"""Many runs: processes, progress, the closing table; imports `records` and what that imports."""
