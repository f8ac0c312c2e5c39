"""The loss that models are trained on, and a greedy continuation, for recipes that ask PyTorch."""
import torch


def loss_of(model, batch):
    """Mean over examples of the mean negative log-likelihood of the tokens from `prompt` on."""
    losses = []
    for example in batch:
        ids = torch.tensor([example["ids"]])
        logp = model(ids).logits[0, :-1].log_softmax(-1)
        nll = -logp.gather(1, ids[0, 1:, None])[:, 0]
        losses.append(nll[example["prompt"] - 1:].mean())
    return torch.stack(losses).mean()


def gradients(model, batch):
    """The loss, and its gradient by each trained parameter's name."""
    model.zero_grad()
    loss = loss_of(model, batch)
    loss.backward()
    return loss.item(), {k: p.grad for k, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def greedy(model, ids, n):
    """n tokens after ids [1, :], and the smallest gap of best and second logit on the way."""
    tokens, margin = [], float("inf")
    for _ in range(n):
        best = model(ids).logits[0, -1].topk(2)
        margin = min(margin, (best.values[0] - best.values[1]).item())
        tokens.append(best.indices[0].item())
        ids = torch.cat([ids, best.indices[:1][None]], 1)
    return tokens, margin
