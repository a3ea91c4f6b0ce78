"""How figures look and are kept, and what captions say: imports `reading` and `stats`."""
