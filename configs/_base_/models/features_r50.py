"""The backbone alone, whose pooled output is judged.

tools/run_stages.py puts the pre-training's own backbone and colours here.
"""

_base_ = ["r50.py"]

model = dict(type="ImageClassifier")
