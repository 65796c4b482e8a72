"""The version of Rekey, for the package, the command line and the OpenAPI document."""

VERSION = "0.2.0"
