"""Commands about people on file and their consent. `cli` and the groups name the module of each command."""
