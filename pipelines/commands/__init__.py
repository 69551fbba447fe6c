"""One module a command: `run(args, session) -> (JSON document, text)`."""
