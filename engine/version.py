"""The version of Rekey: written here, and read by the package, the command line and the OpenAPI document."""

VERSION = "0.2.0"
