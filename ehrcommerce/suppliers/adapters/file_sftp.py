"""A partner without an API, by SFTP (sftp://host:22/folder): the row's `account` is our login, its key our SSH key, its
`host_key` the partner's."""

from ehrcommerce.suppliers.adapters._file_partner import FileSupplier


class Adapter(FileSupplier):
    """Nothing differs but the address."""
