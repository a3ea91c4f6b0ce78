"""Tables, sentences and pages of a study: imports all the above, and no entry point."""
