"""The command line `rekey`: the app's own code, under the operator's own Azure sign-in."""
