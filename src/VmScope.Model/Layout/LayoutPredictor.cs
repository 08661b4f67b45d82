using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Predicts where a kernel will put every region of its address space.</summary>
public static class LayoutPredictor
{
    /// <summary>2^52 bytes: the widest physical address of any of the architectures.</summary>
    private const ulong MostRamBytes = 1UL << 52;

    /// <summary>Computes the layout. A pure function: the same inputs give the same answer.</summary>
    public static LayoutAnswer Predict(LayoutInputs inputs) => (inputs.Memory, inputs.RamBytes) switch
    {
        (null, 0) => new LayoutAnswer.Impossible("no RAM: a kernel needs some to boot"),
        (null, > MostRamBytes) => new LayoutAnswer.Impossible(
            $"{DerivationText.BytesText(inputs.RamBytes.Value)} of RAM is more than any of these processors can address"),
        _ => PredictPossible(inputs),
    };

    private static LayoutAnswer PredictPossible(LayoutInputs inputs) => inputs.Kernel.Architecture switch
    {
        Architecture.Unknown => new LayoutAnswer.Impossible("the architecture is not known"),
        Architecture.I386 => I386Layout.Predict(inputs),
        Architecture.X64 => X64Layout.Predict(inputs),
        Architecture.Arm => ArmLayout.Predict(inputs),
        Architecture.Arm64 => Arm64Layout.Predict(inputs),
        Architecture.Riscv64 => Riscv64Layout.Predict(inputs),
    };
}
