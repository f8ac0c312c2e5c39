"""Model-based clustering's numbers as scikit-learn computes them.

cluster/given.safetensors   experts [12,400]: flattened weights around three centres
cluster/expect.safetensors  sparse [12,400] (|theta| <= its median zeroed), embedding_norm1
                            [12,8] (TruncatedSVD, unit rows; the sign of a column is
                            arbitrary), cosine [12,12], and the same without the cut to 8
cluster/expect.json         labels of k-means on the rows of cosine (a partition: the numbers
                            themselves are arbitrary), inertia, adjusted Rand scores
"""
from common import fresh, save_json, save_tensors
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.metrics import adjusted_rand_score

TRUE = [0, 1, 2, 2, 0, 1, 1, 0, 2, 0, 1, 0]
PAIRS = [(TRUE, TRUE), ([0, 0, 1, 1], [1, 1, 0, 0]), ([0, 0, 1, 1], [0, 1, 0, 1]),
         ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]), ([0, 0, 0, 0], [0, 1, 2, 3]),
         ([0, 1, 2, 3], [3, 2, 1, 0]), ([0, 0, 0, 0], [5, 5, 5, 5]),
         ([0, 0, 1, 2, 2, 2, 3], [1, 1, 1, 0, 0, 2, 2]), ([7, 7, 9], [1, 2, 2])]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def main():
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(3, 400))
    x = centres[TRUE] + 1.2 * rng.normal(size=(len(TRUE), 400))
    x = x.astype(np.float32).astype(np.float64)

    cut = np.quantile(np.abs(x), 0.5, axis=1, keepdims=True)
    sparse = np.where(np.abs(x) <= cut, 0.0, x)
    assert ((sparse == 0).sum(1) == 200).all()

    svd = TruncatedSVD(n_components=8, n_iter=20, random_state=42)
    embedding = unit(svd.fit_transform(sparse))
    cosine = embedding @ embedding.T
    # The randomised method has converged: the exact one gives the same cosines.
    u, s, _ = np.linalg.svd(sparse, full_matrices=False)
    exact = unit(u[:, :8] * s[:8])
    assert np.abs(exact @ exact.T - cosine).max() < 1e-4, np.abs(exact @ exact.T - cosine).max()

    kmeans = KMeans(n_clusters=3, n_init=10, random_state=42).fit(cosine)
    assert adjusted_rand_score(kmeans.labels_, TRUE) == 1.0
    fresh("cluster")
    save_tensors("cluster/given.safetensors", {"experts": x})
    save_tensors("cluster/expect.safetensors",
                 {"sparse": sparse, "embedding_norm1": exact, "cosine": exact @ exact.T,
                  "cosine_sklearn": cosine, "cosine_all": unit(sparse) @ unit(sparse).T})
    save_json("cluster/expect.json",
              {"labels": kmeans.labels_.tolist(), "inertia": round(kmeans.inertia_, 6),
               "singular_values": [round(v, 5) for v in s[:9].tolist()],
               "adjusted_rand": [[a, b, adjusted_rand_score(a, b)] for a, b in PAIRS]})


if __name__ == "__main__":
    main()
