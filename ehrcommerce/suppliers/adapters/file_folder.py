"""A partner without an API, by a folder of this machine (file:///var/spool/partner) that something else carries on."""

from ehrcommerce.suppliers.adapters._file_partner import FileSupplier


class Adapter(FileSupplier):
    """Nothing differs but the address."""
