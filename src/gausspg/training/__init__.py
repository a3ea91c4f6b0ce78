"""Settings -> objects -> the loop that yields metrics; imports `learners` and what that imports."""
