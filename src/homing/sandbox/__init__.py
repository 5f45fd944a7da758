"""The sandbox: vendor simulators and virtual phones. It shares no code with the channels: it is written from the vendor sheets."""
