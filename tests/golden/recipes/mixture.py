"""Training a mixture of LoRAs, written from its formulas, by PyTorch autograd and AdamW.

mixture/start.safetensors    skill [S, n], each expert's A [R, D_in] then B [D_out, R], site by
                             site; logit.<case> [T, sites or 1, Q, S]
mixture/<case>.safetensors   grad_skill, grad_logit at the start; loss [STEPS], and skill, logit
                             after STEPS steps

Data and schedule are train.py's; example i is of task TASKS[i].  Task t's own factors are,
block by block, A = sum_s w A_s and B = sum_s w B_s with w = sigmoid(z) / (sum sigmoid(z) +
1e-8), or softmax(z) in the case "shared", which has one z for all sites.  Logits learn at 0.1
with weight decay 0.01, skills at 1e-3 with none; one norm, of all that is trained, is clipped.
"""
from common import fresh, save_tensors
from train import BATCH, CLIP, LR, STEPS, load, multiplier
import torch

S, R, SCALE, TASKS = 3, 2, 2.0, [0, 1, 1]
CASES = {"poly": dict(Q=1, T=2), "mhr": dict(Q=2, T=2),
         "frozen": dict(Q=1, T=2, frozen=True), "shared": dict(Q=1, T=2, shared=True)}


class Mixture:
    def __init__(self, model, skill, logit, Q, shared=False, **_):
        self.skill, self.logit, self.Q, self.shared, self.task = skill, logit, Q, shared, 0
        at = 0
        for i, (layer, name) in enumerate((l, n) for l in model.model.layers
                                          for n in ("q_proj", "v_proj")):
            linear = getattr(layer.self_attn, name)
            linear.register_forward_hook(self.hook(i, at, linear.in_features,
                                                   linear.out_features))
            at += R * (linear.in_features + linear.out_features)
        assert at == skill.shape[1]

    def weights(self, site):
        z = self.logit[self.task, 0 if self.shared else site]  # [Q, S]
        if self.shared:
            return z.softmax(-1)
        p = torch.sigmoid(z)
        return p / (p.sum(-1, keepdim=True) + 1e-8)

    def hook(self, site, at, d_in, d_out):
        def run(module, inputs, output):
            w, Q = self.weights(site), self.Q
            a = self.skill[:, at:at + R * d_in].view(S, R, Q, d_in // Q)
            b = self.skill[:, at + R * d_in:at + R * (d_in + d_out)].view(S, Q, d_out // Q, R)
            A = torch.einsum("qs,srqd->rqd", w, a).reshape(R, d_in)
            B = torch.einsum("qs,sqor->qor", w, b).reshape(d_out, R)
            return output + SCALE * inputs[0] @ A.T @ B.T
        return run


def loss_of(model, mixture):
    losses = []
    for example, task in zip(BATCH, TASKS):
        mixture.task = task
        ids = torch.tensor([example["ids"]])
        logp = model(ids).logits[0, :-1].log_softmax(-1)
        nll = -logp.gather(1, ids[0, 1:, None])[:, 0]
        losses.append(nll[example["prompt"] - 1:].mean())
    return torch.stack(losses).mean()


def case(name, skill, logit, **options):
    model = load("gqa_untied").requires_grad_(False)
    skill = skill.clone().requires_grad_(not options.get("frozen", False))
    logit = logit.clone().requires_grad_()
    mixture = Mixture(model, skill, logit, **options)
    trained = [p for p in (skill, logit) if p.requires_grad]
    groups = [dict(params=[p], lr=0.0, weight_decay=0.01 if p is logit else 0.0)
              for p in trained]
    opt = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
    out = {"loss": []}
    for i in range(STEPS):
        for group in opt.param_groups:
            group["lr"] = (0.1 if group["params"][0] is logit else LR) * multiplier(i)
        opt.zero_grad()
        loss = loss_of(model, mixture)
        loss.backward()
        if i == 0:
            out |= {f"grad_{n}": p.grad.clone() for n, p in (("skill", skill), ("logit", logit))
                    if p.requires_grad}
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        opt.step()
        out["loss"].append(loss.item())
    out["loss"] = torch.tensor(out["loss"])
    out |= {"skill": skill, "logit": logit}
    if options.get("frozen"):
        del out["skill"]
    save_tensors(f"mixture/{name}.safetensors", out)


if __name__ == "__main__":
    fresh("mixture")
    torch.manual_seed(7)
    config = load("gqa_untied").config
    width, kv = config.hidden_size, config.num_key_value_heads * config.head_dim
    n = config.num_hidden_layers * R * (width + width + width + kv)
    start = {"skill": 0.1 * torch.randn(S, n)}
    for name, o in CASES.items():
        sites = 1 if o.get("shared") else 2 * config.num_hidden_layers
        start[f"logit.{name}"] = torch.randn(o["T"], sites, o["Q"], S)
    save_tensors("mixture/start.safetensors", start)
    for name, options in CASES.items():
        case(name, start["skill"], start[f"logit.{name}"], **options)
