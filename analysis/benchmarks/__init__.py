"""How long things take: each file is a program and imports what it measures."""
