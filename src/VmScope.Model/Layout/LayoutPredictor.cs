using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Predicts where a kernel will put every region of its address space.</summary>
public static class LayoutPredictor
{
    /// <summary>Computes the layout. A pure function: the same inputs give the same answer.</summary>
    public static LayoutAnswer Predict(LayoutInputs inputs) => inputs.Kernel.Architecture switch
    {
        Architecture.Unknown => new LayoutAnswer.Impossible("the architecture is not known"),
        Architecture.I386 => I386Layout.Predict(inputs),
        Architecture.X64 => X64Layout.Predict(inputs),
        Architecture.Arm => ArmLayout.Predict(inputs),
        Architecture.Arm64 => Arm64Layout.Predict(inputs),
        Architecture.Riscv64 => Riscv64Layout.Predict(inputs),
    };
}
