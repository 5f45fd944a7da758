"""The demo: a server, the simulators, two people's phones, a page that shows them, and a story that plays on them."""
