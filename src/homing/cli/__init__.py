"""The command line: ``homing COMMAND``. Modules are imported when their command is called, so that help stays fast."""
