"""Some of the built-in roles, by id.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
BUILT_IN: dict[str, tuple[str, ...]] = {
    # Storage Blob Data Owner
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": (
        f"{_BLOBS}/containers/*",
        f"{_BLOBS}/generateUserDelegationKey/action",
    ),
    # Storage Blob Data Contributor
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": (
        f"{_BLOBS}/containers/read",
        f"{_BLOBS}/containers/write",
        f"{_BLOBS}/containers/delete",
        f"{_BLOBS}/generateUserDelegationKey/action",
        f"{_BLOBS}/containers/blobs/*",
    ),
    # Storage Queue Data Contributor
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": (
        f"{_QUEUES}/read",
        f"{_QUEUES}/write",
        f"{_QUEUES}/delete",
        f"{_QUEUES}/messages/*",
    ),
    # Storage Blob Data Reader
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": (
        f"{_BLOBS}/containers/read",
        f"{_BLOBS}/generateUserDelegationKey/action",
        f"{_BLOBS}/containers/blobs/read",
    ),
    # Storage Queue Data Reader
    "19e7f393-937e-4f77-808e-94535e297925": (
        f"{_QUEUES}/read",
        f"{_QUEUES}/messages/read",
    ),
    # Storage Queue Data Message Sender
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": (f"{_QUEUES}/messages/add/action",),
    # Storage Table Data Contributor
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": (
        "Microsoft.Storage/storageAccounts/tableServices/tables/*",
    ),
    # Monitoring Metrics Publisher
    "3913510d-42f4-4e42-8a64-420c390055eb": ("Microsoft.Insights/Metrics/Write",),
    # EventGrid Data Sender
    "d5a91429-5739-47e2-a06b-3470a27159e7": ("Microsoft.EventGrid/events/send/action",),
}
