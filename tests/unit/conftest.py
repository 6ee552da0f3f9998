"""What holds for every unit test: a property is judged by its answer, never by the machine's speed."""

import hypothesis

hypothesis.settings.register_profile("covet", deadline=None, suppress_health_check=(hypothesis.HealthCheck.too_slow,))
hypothesis.settings.load_profile("covet")
