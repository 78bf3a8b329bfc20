"""The inference server that has one model loaded, and the client that talks to it.

`protocol`, `client` and `launch` are light, for the terminal; `server`, `decode` and their imports run in the server's
own process. Must not know screens.
"""
