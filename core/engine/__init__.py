"""The inference server that holds one model, and the client that talks to it.

`protocol`, `client` and `launch` are light and are what the terminal uses; `server`, `decode` and what they import live
in the server's own process.
"""
