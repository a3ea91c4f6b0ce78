"""Many runs: Hydra's sweeper and launcher, processes, progress, the table; may import `records` down."""
