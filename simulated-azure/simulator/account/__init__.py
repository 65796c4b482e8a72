"""An account in which nothing has been made yet.

Resource Manager takes templates over the wire, from the Azure CLI or any other client. What a
template made then works: storage, identities, rights, and the app once its code has been pushed.
"""
