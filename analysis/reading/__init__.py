"""What was recorded, as tidy frames: imports the reading half of the tracking room."""
