"""Back office: products, their codes, and the queue of codes that no product answers to."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils import timezone

from ehrcommerce.accounts.backoffice import CATALOG, BackOffice, BackOfficeInline, staff_of
from ehrcommerce.accounts.desk import SHOWN, Line, Panel, panel
from ehrcommerce.accounts.otp import site
from ehrcommerce.audit import services as audit
from ehrcommerce.commerce.catalog import codes, mapping_admin, services
from ehrcommerce.commerce.catalog.models import Product, ProductCode, ShippingRule, TaxRule, UnmappedCode, UsualRange
from ehrcommerce.commerce.catalog.templatetags.money import dollars

if TYPE_CHECKING:
    _CodeForm = forms.ModelForm[ProductCode]
    _UnmappedForm = forms.ModelForm[UnmappedCode]
    _ProductForm = forms.ModelForm[Product]
    _ProductChoice = forms.ModelChoiceField[Product]
    _Formset = forms.BaseInlineFormSet[ProductCode, Product, Any]
    _Filter = admin.SimpleListFilter
else:
    _CodeForm = _UnmappedForm = _ProductForm = forms.ModelForm
    _ProductChoice = forms.ModelChoiceField
    _Formset = forms.BaseInlineFormSet
    _Filter = admin.SimpleListFilter


class CodeForm(_CodeForm):
    """A code is kept in the one spelling in which the launch looks for it."""

    class Meta:
        model = ProductCode
        fields = ("system", "code", "display", "confidence")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("system") and cleaned.get("code"):
            cleaned["system"], cleaned["code"] = codes.key_of(cleaned["system"], cleaned["code"])
        return cleaned


class CodeFormset(_Formset):
    def clean(self) -> None:
        """The organization is not in the form, so Django's own look for twins leaves this one out."""
        super().clean()
        kept = [form.cleaned_data for form in self.forms if not form.cleaned_data.get("DELETE")]
        keys = [(each["system"], each["code"]) for each in kept if each.get("system") and each.get("code")]
        if len(set(keys)) < len(keys):
            raise forms.ValidationError("The same code stands here twice.")


class CodeInline(BackOfficeInline):
    model = ProductCode
    may_change = CATALOG
    form, formset = CodeForm, CodeFormset
    verbose_name, verbose_name_plural = "code", "codes by which orders of the chart find this product"
    fields = ["system", "code", "display", "confidence", "approved_by"]
    readonly_fields = ["approved_by"]


class RangeInline(BackOfficeInline):
    model = UsualRange
    may_change = CATALOG
    verbose_name, verbose_name_plural = "range", "what is usual: an order outside of it is held for its prescriber"
    fields = ["measure", "low", "high", "unit"]


class ProductForm(_ProductForm):
    class Meta:
        model = Product
        fields = (
            "sku", "kind", "active", "name_en", "name_es", "quantity_basis", "price_cents", "currency",
            "over_the_counter", "controlled_schedule", "service_type", "days_supply", "tax_class", "weight_grams",
            "in_stock",
        )  # fmt: skip
        labels = {
            "sku": "SKU", "name_en": "Name in English", "name_es": "Name in Spanish", "price_cents": "Price in cents",
            "quantity_basis": "What the price buys", "days_supply": "Lasts for days",
            "service_type": "Service type (X12)",
        }  # fmt: skip
        help_texts = {"quantity_basis": "For example: 180 tablets.", "active": "Off: not sold any more."}
        widgets = {
            name: forms.TextInput(attrs={"size": size})
            for name, size in (
                ("name_en", 80),
                ("name_es", 80),
                ("currency", 4),
                ("controlled_schedule", 4),
                ("service_type", 4),
            )
        }


@admin.register(Product, site=site)
class ProductAdmin(BackOffice):
    may_change = CATALOG
    list_display = ["sku", "kind", "name_en", "price", "active", "over_the_counter", "controlled_schedule"]
    list_filter = ["kind", "active"]
    search_fields = ["=sku", "name_en", "=codes__code"]
    search_help_text = "Exact SKU or code, or part of the English name."
    ordering = ["sku"]
    form = ProductForm
    inlines = [CodeInline, RangeInline]
    fieldsets = [
        (None, {"fields": [("sku", "kind", "active")]}),
        ("What patients read", {"fields": ["name_en", "name_es", "quantity_basis"]}),
        ("Price", {"fields": [("price_cents", "currency")]}),
        ("Tax, shipping and stock", {"fields": [("tax_class", "weight_grams", "in_stock")]}),
        ("Rules", {"fields": [("over_the_counter", "controlled_schedule", "service_type", "days_supply")]}),
    ]

    def get_urls(self) -> list[Any]:
        codes_page = self.admin_site.admin_view(mapping_admin.page)
        return [path("codes/", codes_page, name="catalog_product_codes"), *super().get_urls()]

    @admin.display(description="price", ordering="price_cents")
    def price(self, product: Product) -> str:
        return dollars(product.price_cents)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Codes belong to the organization of their product; to change them is an event."""
        user, product = staff_of(request), form.instance
        what = "codes" if formset.model is ProductCode else "ranges"
        for code in formset.save(commit=False):
            code.organization_id = product.organization_id
            if isinstance(code, ProductCode):
                code.approved_by, code.approved_at = str(user.actor)[:80], timezone.now()
            code.save()
        for code in formset.deleted_objects:
            code.delete()
        if formset.has_changed():
            audit.record(
                organization_id=user.organization_id, by=user.actor, action=f"product.{what}_changed",
                entity=f"product:{product.public_id}", at=timezone.now(), elements=[what],
            )  # fmt: skip


class _Ruled(BackOffice):
    """Rules are never removed: one that is over gets a last day, so that what was charged can be explained."""

    may_change = CATALOG
    list_filter = ["state"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)

        def clean_state(form: Any) -> str:
            return str(form.cleaned_data["state"]).strip().upper()

        return type(made.__name__, (made,), {"clean_state": clean_state})


@admin.register(TaxRule, site=site)
class TaxRuleAdmin(_Ruled):
    list_display = ["where", "tax_class", "percent", "starts_on", "ends_on"]
    ordering = ["state", "tax_class", "-starts_on"]
    fields = [("state", "tax_class"), "rate_ppm", ("starts_on", "ends_on")]

    @admin.display(description="sent to", ordering="state")
    def where(self, rule: TaxRule) -> str:
        return rule.state or "every state"

    @admin.display(description="rate", ordering="rate_ppm")
    def percent(self, rule: TaxRule) -> str:
        return f"{rule.rate_ppm // 10_000}.{rule.rate_ppm % 10_000:04d} %"


@admin.register(ShippingRule, site=site)
class ShippingRuleAdmin(_Ruled):
    list_display = ["where", "what", "from_grams", "worth", "fee", "starts_on", "ends_on"]
    ordering = ["state", "kind", "from_cents", "from_grams"]
    fields = [("state", "kind"), ("from_grams", "from_cents"), "fee_cents", ("starts_on", "ends_on")]

    @admin.display(description="sent to", ordering="state")
    def where(self, rule: ShippingRule) -> str:
        return rule.state or "every state"

    @admin.display(description="kind", ordering="kind")
    def what(self, rule: ShippingRule) -> str:
        return rule.get_kind_display() if rule.kind else "every kind"

    @admin.display(description="worth at least", ordering="from_cents")
    def worth(self, rule: ShippingRule) -> str:
        return dollars(rule.from_cents)

    @admin.display(description="fee", ordering="fee_cents")
    def fee(self, rule: ShippingRule) -> str:
        return dollars(rule.fee_cents)


class QueueFilter(_Filter):
    """The queue first; what was settled on request."""

    title, parameter_name = "what to show", "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mapped", "Mapped"), ("never", "Never sold"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Waiting"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: "QuerySet[UnmappedCode]") -> "QuerySet[UnmappedCode]":
        if self.value() == "mapped":
            return queryset.exclude(product=None)
        if self.value() == "never":
            return queryset.filter(never_sell=True)
        match = request.resolver_match
        waits = self.value() is None and match is not None and str(match.url_name).endswith("_changelist")
        return queryset.filter(product=None, never_sell=False) if waits else queryset


class ProductChoice(_ProductChoice):
    def label_from_instance(self, obj: Product) -> str:
        return f"{obj.sku}: {obj.name_en} ({dollars(obj.price_cents)})"


class UnmappedForm(_UnmappedForm):
    """One decision: which product, or none at all."""

    class Meta:
        model = UnmappedCode
        fields = ("product", "never_sell")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "product" in self.fields:
            products = Product.objects.filter(active=True, kind=self.instance.kind, controlled_schedule="").order_by(
                "sku"
            )
            self.fields["product"] = ProductChoice(
                products,
                required=False,
                empty_label="Choose a product of the same kind",
                help_text="Save, and orders with this code can be sold from now on; those that wait are tried again.",
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("product") and cleaned.get("never_sell"):
            raise forms.ValidationError("Choose a product or Never sell, not both.")
        return cleaned


@admin.register(UnmappedCode, site=site)
class UnmappedCodeAdmin(BackOffice):
    """Choose the product that a code means; orders with it are sellable from the next launch on. What was ordered is an
    element of a chart: the policy table gives it to the catalog team and to nobody else."""

    may_view = CATALOG
    may_change = CATALOG
    may_add = False
    form = UnmappedForm
    list_display = ["shown_code", "words", "kind", "reason", "times_seen", "last_seen_at", "product", "never_sell"]
    list_filter = [QueueFilter, "kind"]
    search_fields = ["=code"]
    search_help_text = "Exact code."
    ordering = ["-times_seen", "-last_seen_at"]
    fields = [
        "words", ("shown_code", "system"), ("kind", "times_seen", "last_seen_at"), ("reason", "hints"), "product", "never_sell",
    ]  # fmt: skip
    readonly_fields = ["kind", "system", "shown_code", "words", "times_seen", "last_seen_at", "reason", "hints"]

    def name_of(self, row: UnmappedCode) -> str:
        return row.display or row.shown_code

    @admin.display(description="code", ordering="code")
    def shown_code(self, unmapped: UnmappedCode) -> str:
        return unmapped.shown_code or "-"

    @admin.display(description="words of the EHR")
    def words(self, unmapped: UnmappedCode) -> str:
        return unmapped.display or "-"

    @admin.display(description="it may mean")
    def hints(self, unmapped: UnmappedCode) -> str:
        """What files say of this code, with less than certainty, or with more than one answer."""
        rows = ProductCode.objects.filter(
            organization_id=unmapped.organization_id, code__in=codes.spellings(unmapped.system, unmapped.code)
        ).select_related("product")
        mine = [row for row in rows if codes.key_of(row.system, row.code) == (unmapped.system, unmapped.code)]
        return ", ".join(f"{row.product.sku} ({row.confidence})" for row in mine) or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A second product for the same code would make it ambiguous: what is mapped is undone at the product."""
        mapped = obj is not None and obj.product_id is not None
        return [*self.readonly_fields, *(["product", "never_sell"] if mapped else [])]

    def save_model(self, request: HttpRequest, obj: UnmappedCode, form: "ModelForm[Any]", change: bool) -> None:
        chosen = obj.product
        super().save_model(request, obj, form, change)
        if chosen is None or "product" not in form.changed_data:
            return
        try:
            services.map_code(unmapped=obj, product=chosen, by=staff_of(request).actor, at=timezone.now())
            what = obj.shown_code or "these words"
            said = f"Mapped: {what} is {chosen.sku}. It can be sold from now on; orders that wait are tried again."
            self.message_user(request, said)
        except services.CatalogProblem as problem:
            UnmappedCode.objects.filter(pk=obj.pk).update(product=None)
            self.message_user(request, str(problem.__doc__), messages.ERROR)


@panel(20, CATALOG)
def codes_without_product() -> Panel:
    waiting = UnmappedCode.objects.filter(product=None, never_sell=False).order_by("-times_seen", "-last_seen_at")[
        :SHOWN
    ]
    lines = [
        Line(each.display or each.shown_code,
             f"{each.get_kind_display()} {each.shown_code}, ordered {each.times_seen}x",
             reverse("admin:catalog_unmappedcode_change", args=[each.pk]))
        for each in waiting
    ]  # fmt: skip
    return Panel(
        "Ordered, but no product",
        "Every code that was ordered has a product.",
        lines,
        reverse("admin:catalog_unmappedcode_changelist"),
        urgent=True,
    )
