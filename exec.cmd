@rem npm's scripts start with "exec", so that signals to npm reach node. cmd.exe has no exec: this is it.
@%*
