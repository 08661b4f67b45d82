namespace VmScope.Replay;

/// <summary>Hands operations on and writes a copy of each.</summary>
internal sealed class RecordingSource(OperationSource source, OperationFileWriter writer) : OperationSource
{
    internal override string Name => source.Name;

    internal override long Events => source.Events;

    internal override long Bytes => source.Bytes;

    internal override bool HasAddresses => source.HasAddresses;

    internal override SourceMachine Machine => source.Machine;

    internal override ulong LostEvents => source.LostEvents;

    internal override ulong OverwrittenEvents => source.OverwrittenEvents;

    internal override long OddLines => source.OddLines;

    internal override IReadOnlyList<string> OddLineSamples => source.OddLineSamples;

    internal override long Lines => source.Lines;

    internal override long ReturnsWithoutEntry => source.ReturnsWithoutEntry;

    internal override bool TryRead(ref ReplayOperation operation)
    {
        if (!source.TryRead(ref operation))
        {
            return false;
        }

        writer.Write(operation);
        return true;
    }
}
