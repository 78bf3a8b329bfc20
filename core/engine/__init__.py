"""The inference server that has one model loaded, and the client that talks to it.

`protocol`, `client` and `launch` are light and are what the terminal uses; `server`, `decode` and what they import run
in the server's own process. Must not know screens.
"""
