using VmScope.Traces;

namespace VmScope.Replay;

/// <summary>Opens the operations a replay names.</summary>
internal static class OperationSources
{
    /// <exception cref="EvidenceException">The file of operations has no usable first line.</exception>
    internal static OperationSource Open(ReplayInput input)
    {
        OperationSource source = input.HoldsOperations
            ? new OperationFileReader(input.Trace.Content, input.Trace.Name)
            : new OperationReader(new TraceReader(input.Trace.Content, input.Trace.Name));
        return source;
    }
}
