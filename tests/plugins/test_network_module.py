"""Test what both modules have from NetworkModule."""

import pytest
from cellprofiler_core.utilities.core.modules import instantiate_module

MODULES = ("MeasureImageFocusQuality", "SegmentDarkfieldCells")


@pytest.mark.parametrize("name", MODULES)
def test_settings_of_an_earlier_revision_are_upgraded(name):
    class NextRevision(type(instantiate_module(name))):
        """A module whose revision 2 no longer saves a setting that revision 1 saved last."""

        variable_revision_number = 2

        def upgrade_settings(self, setting_values, variable_revision_number, module_name):
            if variable_revision_number == 1:
                setting_values, variable_revision_number = setting_values[:-1], 2
            return setting_values, variable_revision_number

    module, upgraded = instantiate_module(name), NextRevision()
    assert module.variable_revision_number == 1
    module.engine.value = "numpy"
    saved = [setting.unicode_value for setting in module.settings()]
    upgraded.set_settings_from_values([*saved, "Removed"], 1, name)
    assert [setting.unicode_value for setting in upgraded.settings()] == saved
