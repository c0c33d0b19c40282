"""Networks with all layers trained, as batches of replicas, and the images that they learn."""

from .arms import Arm, Trained, train_arms
from .clusters import Clusters, kmeans, principal_components, shifted
from .data import Digits, Scaling, dequantise, mnist
from .nets import Replicas, SwishNet
from .training import SGD, Adam, Checkpoint, Grouped, Network, train
from .unet import UNet

__all__ = [
    "SGD", "Adam", "Arm", "Checkpoint", "Clusters", "Digits", "Grouped", "Network", "Replicas", "Scaling", "SwishNet", "Trained",
    "UNet", "dequantise", "kmeans", "mnist", "principal_components", "shifted", "train", "train_arms",
]
