using System.Collections.Immutable;
using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Sources;

namespace VmScope.Analysis;

/// <summary>One answer of a real kernel beside what was predicted for it.</summary>
/// <param name="Name">What is compared.</param>
/// <param name="Predicted">The prediction, as people write it.</param>
/// <param name="Observed">What the evidence says, written the same way.</param>
/// <param name="Agrees">Whether the two are the same.</param>
/// <param name="Source">The file the observation comes from.</param>
public sealed record LayoutComparison(string Name, string Predicted, string Observed, bool Agrees, string Source);

/// <summary>What came of holding a prediction against a kernel's own answers.</summary>
/// <param name="Inputs">What was predicted from.</param>
/// <param name="Layout">The prediction; null when the predictor says that no such kernel boots.</param>
/// <param name="Comparisons">Every answer the evidence holds, in a fixed order.</param>
public sealed record LayoutCheckReport(LayoutInputs Inputs, KernelLayout? Layout, ImmutableArray<LayoutComparison> Comparisons)
{
    /// <summary>Answers that are there and say nothing, such as hidden addresses; each with the reason.</summary>
    public ImmutableArray<string> NotCompared { get; init; } = [];

    /// <summary>Whether every answer is as predicted.</summary>
    public bool Agrees => Comparisons.All(comparison => comparison.Agrees);

    /// <summary>What nobody gave and was taken for granted.</summary>
    public ImmutableArray<Assumption> Assumed => Layout?.Assumed ?? [];
}

/// <summary>Predicts a kernel's layout from the inputs in some evidence, then compares it with every answer in there.</summary>
/// <remarks>The prediction sees <see cref="EvidenceInputs"/> only; the answers are opened after it is finished.</remarks>
public static class LayoutCheck
{
    /// <summary>Predicts and compares.</summary>
    /// <exception cref="EvidenceException">
    /// The evidence names no kernel or architecture, its kernel is not one whose layout is known, or it holds no answer.
    /// </exception>
    public static LayoutCheckReport Run(EvidenceBundle evidence)
    {
        LayoutInputs inputs = evidence.Inputs.ToLayoutInputs(evidence.Name);
        switch (LayoutPredictor.Predict(inputs))
        {
            case LayoutAnswer.Predicted { Layout: { } layout }:
                Comparer comparer = new(layout);
                MeminfoAnswers.Compare(comparer, evidence);
                BootLogAnswers.Compare(comparer, evidence);
                ZoneinfoAnswers.Compare(comparer, evidence);
                AreaAnswers.Compare(comparer, evidence);
                KcoreAnswers.Compare(comparer, evidence);
                VariableAnswers.Compare(comparer, evidence);
                return comparer.Comparisons.Length > 0
                    ? new LayoutCheckReport(inputs, layout, comparer.Comparisons) { NotCompared = comparer.NotCompared }
                    : throw new EvidenceException($"{evidence.Name} holds no answer to compare with: no meminfo, zoneinfo, "
                        + "vmallocinfo or boot log with addresses; as root more of them can be read");
            case LayoutAnswer.Impossible impossible when KnownKernels.IsKnown(inputs.Kernel):
                return new LayoutCheckReport(inputs, null,
                    [new LayoutComparison("boots", "no: " + impossible.Reason, "yes", Agrees: false, evidence.Name)]);
            case LayoutAnswer.Impossible impossible:
                throw new EvidenceException($"{evidence.Name}: {impossible.Reason}");
            default:
                throw new InvalidOperationException("an answer of an unknown kind");
        }
    }
}
